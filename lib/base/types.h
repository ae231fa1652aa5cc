/*
 * Names every room uses: integer types, page arithmetic, small macros.
 * Context: any.
 */
#ifndef FL_BASE_TYPES_H
#define FL_BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

#define FL_PAGE_SHIFT 12
#define FL_PAGE_SIZE  (1UL << FL_PAGE_SHIFT)
#define FL_PAGE_MASK  (~(FL_PAGE_SIZE - 1))

#define fl_page_down(x) ((u64)(x) & FL_PAGE_MASK)
#define fl_page_up(x)   (((u64)(x) + FL_PAGE_SIZE - 1) & FL_PAGE_MASK)

#define fl_min(a, b) ((a) < (b) ? (a) : (b))
#define fl_max(a, b) ((a) > (b) ? (a) : (b))

#define fl_array_size(a) (sizeof(a) / sizeof((a)[0]))

#define fl_container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define fl_likely(x)   __builtin_expect(!!(x), 1)
#define fl_unlikely(x) __builtin_expect(!!(x), 0)

#endif
