// What the self-test's kernel and its program agree on; assembly includes it.
#pragma once

#define CALL_NULL 0
#define CALL_FAIL 1           // (place)
#define CALL_CHECK_TRAP 2     // (vector): the last trap was this
#define CALL_REPLACE_FRAME 3  // (rip)
#define CALL_READ_MEMORY 4
#define CALL_WRITE_MEMORY 5
#define CALL_SET_BASES 6
#define CALL_WHO_AM_I 7
#define CALL_YIELD 8
#define CALL_START_CLOCK 9
#define CALL_STOP_CLOCK 10  // (calls)
#define CALL_DONE 11

#define USER_CODE 0x400000
#define USER_STACK_BOTTOM 0x600000
#define USER_STACK_TOP 0x602000
#define USER_DEMAND 0x700000
