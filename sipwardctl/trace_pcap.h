/* trace_pcap.h - messages as a capture file. */
#ifndef SIPWARD_SIPWARDCTL_TRACE_PCAP_H
#define SIPWARD_SIPWARDCTL_TRACE_PCAP_H

#include "ipc/trace/trace_set.h"

#include <stdio.h>

/* Writes each message as one IP packet with a UDP header, whatever transport brought it, between
 * its own addresses: pcap 2.4, link type 101 (raw IP), in microseconds. What is longer than a
 * packet holds is cut. */
void trace_pcap(const struct trace_set *t, FILE *to);

#endif
