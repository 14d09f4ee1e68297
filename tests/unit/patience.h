/* patience.h - the one bound on waiting for a condition. */
#ifndef SIPWARD_TESTS_UNIT_PATIENCE_H
#define SIPWARD_TESTS_UNIT_PATIENCE_H

/* A machine that is slow or has much else to do needs seconds for what takes milliseconds: only a
 * condition that never comes may fail. */
#define PATIENCE_MS 30000

#endif
