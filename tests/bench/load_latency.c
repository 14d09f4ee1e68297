/* load_latency.c - the times that calls and registrations took. */
#include "load.h"

static uint32_t *sample;
static size_t samples, samples_buffer;

void latency_add(uint64_t ns)
{
	if (samples == samples_buffer) {
		samples_buffer = samples_buffer ? samples_buffer * 2 : 65536;
		sample = realloc(sample, samples_buffer * sizeof(*sample));
		if (!sample)
			die("realloc");
	}
	sample[samples++] = (uint32_t)(ns / 1000);
}

static int latency_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double latency_at(double q)
{
	return samples ? sample[(size_t)(q * (double)(samples - 1))] / 1000.0 : -1;
}

void latency_print(void)
{
	qsort(sample, samples, sizeof(*sample), latency_compare);
	printf(", \"p50_ms\": %.3f, \"p90_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f",
		latency_at(.5), latency_at(.9), latency_at(.99), latency_at(1));
}
