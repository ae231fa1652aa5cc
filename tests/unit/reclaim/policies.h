/* Every policy, and some with other options. */
#ifndef FL_TEST_POLICIES_H
#define FL_TEST_POLICIES_H

static const char *const policies[] = {
	"second-chance",
	"fifo",
	"clock",
	"s3-fifo",
	"car",
	"random",
	"second-chance,aside=90",
	"clock,aside=50",
	"s3-fifo,small=50,aside=25",
	"car,aside=80",
	"random,seed=7",
};
#define NR_POLICIES ((int)(sizeof(policies) / sizeof(policies[0])))

#endif
