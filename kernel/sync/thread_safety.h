// Clang's thread-safety annotations (clang.llvm.org/docs/ThreadSafetyAnalysis.html) under short
// names.
#pragma once

#if defined(__clang__)
#define NARWHAL_TSA(x) __attribute__((x))
#else
#define NARWHAL_TSA(x)
#endif

#define TA_CAPABILITY(name) NARWHAL_TSA(capability(name))
#define TA_SCOPED NARWHAL_TSA(scoped_lockable)
#define TA_GUARDED_BY(lock) NARWHAL_TSA(guarded_by(lock))
#define TA_PT_GUARDED_BY(lock) NARWHAL_TSA(pt_guarded_by(lock))
#define TA_REQUIRES(...) NARWHAL_TSA(requires_capability(__VA_ARGS__))
#define TA_EXCLUDES(...) NARWHAL_TSA(locks_excluded(__VA_ARGS__))
#define TA_ACQUIRE(...) NARWHAL_TSA(acquire_capability(__VA_ARGS__))
#define TA_RELEASE(...) NARWHAL_TSA(release_capability(__VA_ARGS__))
#define TA_TRY_ACQUIRE(...) NARWHAL_TSA(try_acquire_capability(__VA_ARGS__))
#define TA_ASSERT_HELD(...) NARWHAL_TSA(assert_capability(__VA_ARGS__))
#define TA_NO_ANALYSIS NARWHAL_TSA(no_thread_safety_analysis)
