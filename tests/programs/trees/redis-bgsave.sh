# redis-server: BGSAVE in the middle of writes. The dump has every key and value as of
# the fork, the parent every later write.
# shellcheck shell=bash
# shellcheck source=tests/programs/trees/redis.sh
. "$FL_TOP/tests/programs/trees/redis.sh"

job() {
	saves BGSAVE fork --appendonly no --dbfilename dump.rdb
}
