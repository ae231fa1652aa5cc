# sqlite3: one million rows in memory, index, join, group.
# shellcheck shell=bash disable=SC2034
needs=(sqlite3)

prepare() {
	cat >job.sql <<-SQL
		CREATE TABLE item(id INTEGER PRIMARY KEY, owner INTEGER, name TEXT, price INTEGER);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $(size 1000000 400000))
			INSERT INTO item SELECT i, i * 7919 % 20011,
				printf('item-%08x', i * 2654435761 % 4294967296), i * 48271 % 9973 FROM n;
		CREATE TABLE owner(id INTEGER PRIMARY KEY, region TEXT);
		WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 20010)
			INSERT INTO owner SELECT i, 'region-' || (i * 31 % 17) FROM n;
		CREATE INDEX by_owner ON item(owner, price);
		CREATE INDEX by_name ON item(name);
		SELECT region, count(*), sum(price), min(name), max(name)
			FROM item JOIN owner ON owner.id = item.owner GROUP BY region ORDER BY region;
		SELECT owner, count(*) AS c, sum(price) AS s FROM item GROUP BY owner ORDER BY s DESC, owner LIMIT 20;
		UPDATE item SET price = price + 1 WHERE owner % 5 = 0;
		DELETE FROM item WHERE price % 11 = 3;
		SELECT count(*), sum(price), sum(length(name)) FROM item;
		SELECT name FROM item ORDER BY name LIMIT 5 OFFSET 5000;
		PRAGMA integrity_check;
	SQL
}

job() {
	measured sqlite3 -batch -init /dev/null :memory: <"$input/job.sql"
}
