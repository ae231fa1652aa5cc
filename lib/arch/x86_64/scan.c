/* Finding "syscall" instructions; see scan.h. */
#include "arch/x86_64/scan.h"

#include <emmintrin.h>

const u8 *fl_find_syscall(const u8 *p, const u8 *end)
{
	const __m128i first = _mm_set1_epi8(0x0f), second = _mm_set1_epi8(0x05);

	for (; p + 16 <= end; p += 16) {
		__m128i a = _mm_loadu_si128((const __m128i *)p);
		__m128i b = _mm_loadu_si128((const __m128i *)(p + 1));
		int hits = _mm_movemask_epi8(
			_mm_and_si128(_mm_cmpeq_epi8(a, first), _mm_cmpeq_epi8(b, second)));

		if (hits)
			return p + __builtin_ctz((u32)hits);
	}
	for (; p < end; p++)
		if (p[0] == 0x0f && p[1] == 0x05)
			return p;
	return NULL;
}
