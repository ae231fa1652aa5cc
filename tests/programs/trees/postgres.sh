# postgres from initdb to its second shutdown, with pgbench, two queries that sort and
# hash in much memory, and amcheck of all tables and indexes. All of it runs in the
# tree, as another user, which postgres insists on.
# shellcheck shell=bash disable=SC2034,SC2154
pg_bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
needs=(setpriv "${pg_bin:-postgresql}/initdb" "${pg_bin:-postgresql}/pg_amcheck")
user=postgres
as_user=(setpriv --reuid "$user" --regid "$user" --init-groups)
if have "${needs[@]}" && ! "${as_user[@]}" test -r "$LIBFAULTLINE"; then
	why_not="the user $user may not read $LIBFAULTLINE"
fi

# Shared buffers are within it, too.
budgets() {
	size $((128 * 1024)) $((24 * 1024))
}

prepare() {
	cat >job.sh <<-'SH'
		set -eu
		bin=$1 scale=$2 seconds=$3
		export PATH=$bin:$PATH PGHOST=$PWD PGUSER=postgres PGDATABASE=postgres PGPORT=5432
		ask() {
			psql -X -A -t -q -v ON_ERROR_STOP=1 "$@"
		}
		start() {
			pg_ctl -D data -s -w -t 600 -l log start
		}
		stop() {
			pg_ctl -D data -s -w -t 600 -m fast stop
		}
		sums() {
			ask -c "SELECT a = b AND b = t AND t = h FROM
				(SELECT sum(abalance) AS a FROM pgbench_accounts) AS accounts,
				(SELECT sum(bbalance) AS b FROM pgbench_branches) AS branches,
				(SELECT sum(tbalance) AS t FROM pgbench_tellers) AS tellers,
				(SELECT coalesce(sum(delta), 0) AS h FROM pgbench_history) AS history"
			ask -c "SELECT 'branches', count(*) FROM pgbench_branches UNION ALL
				SELECT 'accounts', count(*) FROM pgbench_accounts UNION ALL
				SELECT 'transactions missing', count(*) - $1 FROM pgbench_history"
		}
		big() {
			ask <<-SQL
				SET work_mem = '160MB';
				SET max_parallel_workers_per_gather = $1;
				SELECT count(*), sum(n), min(low) FROM (SELECT md5((aid % 50000)::text) AS k, count(*) AS n,
					min(aid) AS low FROM pgbench_accounts GROUP BY 1) AS groups;
				SELECT md5(string_agg(k, '')) FROM (SELECT k FROM (SELECT k, row_number() OVER (ORDER BY k, aid)
					AS place FROM (SELECT md5(aid::text) AS k, aid FROM pgbench_accounts) AS keys)
					AS places WHERE place % 97 = 0 ORDER BY place) AS sample;
			SQL
		}

		initdb -D data -A trust -U postgres -E UTF8 --locale=C >/dev/null
		cat >>data/postgresql.conf <<-CONF
			unix_socket_directories = '$PWD'
			listen_addresses = ''
			shared_buffers = 32MB
			maintenance_work_mem = 256MB
			checkpoint_timeout = 30s
		CONF
		start
		pgbench -i -q -s "$scale" >init.out 2>&1 || { cat init.out >&2; exit 1; }
		pgbench -n -c 4 -j 2 -T "$seconds" >bench.out 2>&1 || { cat bench.out >&2; exit 1; }
		grep -E "^number of (clients|failed)" bench.out
		grep "^tps" bench.out >tps
		n=$(sed -n "s/^number of transactions actually processed: //p" bench.out)
		sums "$n"
		big 0
		big 2
		ask -c "CREATE EXTENSION amcheck"
		ask -c "SELECT count(bt_index_parent_check(indexrelid, true, true)) > 100 FROM pg_index
			JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON pg_am.oid = relam
			WHERE amname = 'btree' AND relpersistence <> 't' AND indisvalid"
		pg_amcheck --database=postgres --jobs=2 --heapallindexed
		stop
		start
		sums "$n"
		ask -c "SELECT count(bt_index_check(c.oid, true)) FROM pg_class AS c WHERE relkind = 'i' AND relname ~ 'pgbench'"
		stop
		# A fast shutdown may meet autovacuum at work.
		grep -E "PANIC|FATAL|ERROR|terminated|was interrupted" log | grep -v "administrator command" || echo "a clean log"
	SH
}

# Which program starts as root and changes the user: in the tree by default.
start_as_user() {
	measured "${as_user[@]}" "$@"
}

job() {
	local status
	chown "$user" . || return
	start_as_user bash "$input/job.sh" "$pg_bin" "$(size 20 2)" "$(size 30 5)"
	status=$?
	[ "$status" -eq 0 ] || tail -n 20 log >&2
	cat tps >>"$note"
	rm -rf ./*
	return $status
}
