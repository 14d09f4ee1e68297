/* emergency_numbers.h - reads the numbers of emergency, with the services that they stand for. */
#ifndef SIPWARD_MASTER_CONFIG_EMERGENCY_NUMBERS_H
#define SIPWARD_MASTER_CONFIG_EMERGENCY_NUMBERS_H

#include "reader.h"

/* The option emergency of section limits. */
void emergency_read(struct reader *r, cfg_t *limits);

#endif
