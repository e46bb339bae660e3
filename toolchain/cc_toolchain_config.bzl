"""The compiler's settings, for the two kinds of code in this repository.

  cpu `k8`       hosted code: the `narwhal` command, generators, unit tests; sanitizers by feature `sanitize`
  cpu `narwhal`  the kernel: position-independent, no red zone, general registers only

Both use clang-19 with libstdc++ 12's headers. Feature `third_party` turns warnings off.
"""

load("@bazel_tools//tools/build_defs/cc:action_names.bzl", "ACTION_NAMES")
load(
    "@bazel_tools//tools/cpp:cc_toolchain_config_lib.bzl",
    "feature",
    "flag_group",
    "flag_set",
    "tool_path",
    "with_feature_set",
)

_LLVM = "/usr/lib/llvm-19/bin/"

_C_COMPILE = [
    ACTION_NAMES.c_compile,
]

_CXX_COMPILE = [
    ACTION_NAMES.cpp_compile,
    ACTION_NAMES.cpp_header_parsing,
    ACTION_NAMES.cpp_module_compile,
    ACTION_NAMES.cpp_module_codegen,
    ACTION_NAMES.linkstamp_compile,
]

_ASSEMBLE = [
    ACTION_NAMES.assemble,
    ACTION_NAMES.preprocess_assemble,
]

_COMPILE = _C_COMPILE + _CXX_COMPILE

_LINK = [
    ACTION_NAMES.cpp_link_executable,
    ACTION_NAMES.cpp_link_dynamic_library,
    ACTION_NAMES.cpp_link_nodeps_dynamic_library,
]

_WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wformat=2",
    "-Wimplicit-fallthrough",
    "-Wthread-safety",
    "-Wundef",
    "-Wvla",
    # A designated initializer that leaves the rest zero is the idiom here, not an oversight.
    "-Wno-missing-field-initializers",
]

_CXX_WARNINGS = [
    "-Wextra-semi",
    "-Wnon-virtual-dtor",
    "-Woverloaded-virtual",
]

_COMMON_FLAGS = [
    "--gcc-install-dir=/usr/lib/gcc/x86_64-linux-gnu/12",
    "-g",
    "-O2",
    "-fno-omit-frame-pointer",
    "-fno-strict-aliasing",
    "-fdiagnostics-color=always",
    # The same bytes from every checkout.
    "-no-canonical-prefixes",
    "-Wno-builtin-macro-redefined",
    "-D__DATE__=\"redacted\"",
    "-D__TIME__=\"redacted\"",
    "-D__TIMESTAMP__=\"redacted\"",
]

# Not -ffreestanding: that also means -fno-builtin, which turns every small memcpy into a call and switches off half
# of libstdc++'s headers. Whatever needs a library that is not there fails at link time, by name.
_KERNEL_FLAGS = [
    "-DNARWHAL_KERNEL=1",
    # The C library's <ctype.h> then declares functions instead of reading the locale's tables.
    "-D__NO_CTYPE=1",
    "-fPIE",
    # Nothing is ever bound at run time, so reach every symbol directly instead of through a table of addresses.
    "-fdirect-access-external-data",
    "-fvisibility=hidden",
    "-mcmodel=small",
    # An interrupt pushes its frame just below the stack pointer.
    "-mno-red-zone",
    # Entries build their frames where the CPU leaves the stack; without vector instructions nobody needs more.
    "-mstack-alignment=8",
    # Vector and floating-point registers hold the program's values, also while the kernel runs. What
    # -mgeneral-regs-only promises, in a form that lets <algorithm> and <atomic> name `long double`: any arithmetic on
    # floating-point numbers becomes a call of a library that is not there, and the link names the culprit.
    "-mno-mmx",
    "-mno-sse",
    "-Xclang",
    "-target-feature",
    "-Xclang",
    "+soft-float",
    "-fno-asynchronous-unwind-tables",
    "-fno-unwind-tables",
    "-fno-stack-protector",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-ident",
]

_KERNEL_CXX_FLAGS = [
    "-fno-exceptions",
    "-fno-rtti",
    "-fno-threadsafe-statics",
    # The kernel never ends in an orderly way, so its globals are never destroyed.
    "-fno-c++-static-destructors",
]

_HOST_FLAGS = [
    "-fPIE",
    "-fstack-protector",
]

_HOST_LINK_FLAGS = [
    "--gcc-install-dir=/usr/lib/gcc/x86_64-linux-gnu/12",
    "-fuse-ld=lld",
    "-no-canonical-prefixes",
    "-Wl,--gc-sections",
    "-Wl,-z,relro,-z,now",
]

# nullability and the like are left out: what is here is undefined behaviour by the standard, and nothing recovers.
_SANITIZE_FLAGS = [
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
]

def _flags(actions, flags, with_features = []):
    return flag_set(
        actions = actions,
        flag_groups = [flag_group(flags = flags)],
        with_features = with_features,
    )

def _impl(ctx):
    kernel = ctx.attr.cpu == "narwhal"

    code_flags = _COMMON_FLAGS + (_KERNEL_FLAGS if kernel else _HOST_FLAGS)
    cxx_flags = ["-std=c++20"] + (_KERNEL_CXX_FLAGS if kernel else [])

    default_compile_flags = feature(
        name = "default_compile_flags",
        enabled = True,
        flag_sets = [
            _flags(_COMPILE + _ASSEMBLE, code_flags),
            _flags(_CXX_COMPILE, cxx_flags),
            _flags(_C_COMPILE, ["-std=gnu17"]),
            _flags(
                _COMPILE + _ASSEMBLE,
                _WARNINGS,
                [with_feature_set(not_features = ["third_party"])],
            ),
            _flags(
                _CXX_COMPILE,
                _CXX_WARNINGS,
                [with_feature_set(not_features = ["third_party"])],
            ),
            _flags(
                _COMPILE + _ASSEMBLE,
                ["-w"],
                [with_feature_set(features = ["third_party"])],
            ),
            # `bazel build -c dbg`: lighter optimisation for stepping through code, and DEBUG_ASSERT.
            _flags(
                _COMPILE,
                ["-Og", "-DNARWHAL_DEBUG=1"],
                [with_feature_set(features = ["dbg"])],
            ),
        ],
    )

    features = [
        feature(name = "dbg"),
        feature(name = "opt"),
        feature(name = "fastbuild"),
        feature(name = "third_party"),
        feature(name = "supports_dynamic_linker", enabled = not kernel),
        feature(name = "supports_pic", enabled = not kernel),
        # Header files are checked by the compiler that includes them.
        feature(name = "parse_headers"),
        default_compile_flags,
    ]

    if not kernel:
        features += [
            feature(
                name = "default_link_flags",
                enabled = True,
                flag_sets = [
                    _flags(_LINK, _HOST_LINK_FLAGS),
                    _flags(
                        [ACTION_NAMES.cpp_link_executable],
                        ["-pie"],
                        [with_feature_set(not_features = ["fully_static_link"])],
                    ),
                ],
            ),
            feature(
                name = "fully_static_link",
                flag_sets = [_flags([ACTION_NAMES.cpp_link_executable], ["-static"])],
            ),
            feature(
                name = "default_link_libraries",
                enabled = True,
                flag_sets = [_flags(_LINK, ["-lstdc++", "-lm", "-lpthread"])],
            ),
            feature(
                name = "sanitize",
                flag_sets = [
                    _flags(_COMPILE, _SANITIZE_FLAGS + [
                        # Whoever waits for a sanitizer can wait for the other checks too.
                        "-DNARWHAL_DEBUG=1",
                        "-D_GLIBCXX_ASSERTIONS",
                    ]),
                    _flags(_LINK, _SANITIZE_FLAGS + ["-fsanitize-link-c++-runtime"]),
                ],
            ),
            # libFuzzer: coverage for everything, the driver for what is linked with narwhal_fuzz_test().
            feature(
                name = "fuzz",
                flag_sets = [
                    _flags(_COMPILE, ["-fsanitize=fuzzer-no-link"]),
                ],
            ),
        ]

    return cc_common.create_cc_toolchain_config_info(
        ctx = ctx,
        features = features,
        cxx_builtin_include_directories = [
            "/usr/include",
            "/usr/lib/gcc/x86_64-linux-gnu/12/include",
            "/usr/lib/llvm-19/lib/clang/19/include",
            "/usr/lib/llvm-19/lib/clang/19/share",
        ],
        toolchain_identifier = "narwhal-" + ctx.attr.cpu,
        host_system_name = "local",
        target_system_name = "local",
        target_cpu = ctx.attr.cpu,
        target_libc = "none" if kernel else "glibc",
        compiler = "clang",
        abi_version = "none",
        abi_libc_version = "none",
        tool_paths = [
            tool_path(name = "gcc", path = _LLVM + "clang"),
            tool_path(name = "cpp", path = _LLVM + "clang-cpp"),
            tool_path(name = "ar", path = _LLVM + "llvm-ar"),
            tool_path(name = "ld", path = _LLVM + "ld.lld"),
            tool_path(name = "nm", path = _LLVM + "llvm-nm"),
            tool_path(name = "objcopy", path = _LLVM + "llvm-objcopy"),
            tool_path(name = "objdump", path = _LLVM + "llvm-objdump"),
            tool_path(name = "strip", path = _LLVM + "llvm-strip"),
            tool_path(name = "gcov", path = _LLVM + "llvm-cov"),
            tool_path(name = "dwp", path = _LLVM + "llvm-dwp"),
        ],
    )

narwhal_cc_toolchain_config = rule(
    implementation = _impl,
    attrs = {
        "cpu": attr.string(mandatory = True, values = ["k8", "narwhal"]),
    },
    provides = [CcToolchainConfigInfo],
)
