// A home tested from inside: an image that checks the machine's parts and powers off with 0.
#pragma once

#include "kernel/base/format.h"
#include "kernel/platform/machine.h"

namespace narwhal::selftest {

[[noreturn]] void fail(const char* what, int line);

// Counts those that passed.
extern u32 checks;

// The command line has selftest=END: how the machine shall end.
bool asked_for(std::string_view end);

void test_memory();
void test_time();
void test_threads();
void test_page_tables();
void test_user_copies();
// Each home has its own.
void test_home();
void end_as_asked();
bool kernel_can_read(const void* address);
// Starts the programs; done() is called when all have ended.
void start_programs(void (*done)());

}  // namespace narwhal::selftest

#define CHECK(condition)                                    \
  do {                                                      \
    if (!(condition)) selftest::fail(#condition, __LINE__); \
    ++selftest::checks;                                     \
  } while (0)
