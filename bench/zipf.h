/*
 * Page numbers by Zipf's law: the page of rank r comes with a frequency of 1/r^theta.
 *
 * After Gray et al., "Quickly generating billion-record synthetic databases" (1994): the
 * inverse of the distribution's sum is approximated, so that no table is needed, which would
 * be memory of the program and would be paged as well. Ranks are scattered over the pages,
 * so that hot ones are not neighbours.
 */
#ifndef BENCH_ZIPF_H
#define BENCH_ZIPF_H

#include <math.h>
#include <stdint.h>

#define ZIPF_THETA 0.99

struct zipf {
	uint64_t pages; /* a power of two */
	double zetan, alpha, eta;
};

static void zipf_init(struct zipf *z, uint64_t pages)
{
	double zeta2 = 1 + pow(0.5, ZIPF_THETA);

	z->pages = pages;
	z->zetan = 0;
	for (uint64_t rank = 1; rank <= pages; rank++)
		z->zetan += pow(1.0 / (double)rank, ZIPF_THETA);
	z->alpha = 1 / (1 - ZIPF_THETA);
	z->eta = (1 - pow(2.0 / (double)pages, 1 - ZIPF_THETA)) / (1 - zeta2 / z->zetan);
}

/* Of a random number; an odd factor makes a bijection of the numbers below a power of two. */
static uint64_t zipf_page(const struct zipf *z, uint64_t random)
{
	double u = (double)(random >> 11) * 0x1p-53, uz = u * z->zetan;
	uint64_t rank;

	if (uz < 1)
		rank = 0;
	else if (uz < 1 + pow(0.5, ZIPF_THETA))
		rank = 1;
	else
		rank = (uint64_t)((double)z->pages * pow(z->eta * u - z->eta + 1, z->alpha));
	return (rank * 2654435761u + 12345) & (z->pages - 1);
}

#endif
