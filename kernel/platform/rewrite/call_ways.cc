#include "kernel/platform/rewrite/call_ways.h"

namespace narwhal {

constinit CallWays call_ways;

}  // namespace narwhal
