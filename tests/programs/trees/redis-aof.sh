# redis-server: the append-only file is rewritten in the middle of writes. A native
# server reads it and has everything, each command once.
# shellcheck shell=bash
# shellcheck source=tests/programs/trees/redis.sh
. "$FL_TOP/tests/programs/trees/redis.sh"

job() {
	saves BGREWRITEAOF end --appendonly yes --appendfsync everysec
}
