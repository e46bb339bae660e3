// What lwIP calls for a TcpEndpoint. Only this folder includes this header.
#pragma once

#include "lwip/err.h"
#include "lwip/tcp.h"

struct tcp_seg;

namespace narwhal::net {

struct TcpCallbacks {
  static err_t connected(void* argument, tcp_pcb* pcb, err_t error);
  static err_t accepted(void* argument, tcp_pcb* pcb, err_t error);
  static err_t received(void* argument, tcp_pcb* pcb, pbuf* packet, err_t error);
  static err_t sent(void* argument, tcp_pcb* pcb, u16_t bytes);
  static err_t orphan_sent(void* argument, tcp_pcb* pcb, u16_t bytes);
  static err_t ticked(void* argument, tcp_pcb* pcb);
  // A segment's second part is in one of its own now (tcp_cut.h).
  static void was_cut(const tcp_pcb& pcb, const tcp_seg& first, tcp_seg& second);
  static void failed(void* argument, err_t error);
};

}  // namespace narwhal::net
