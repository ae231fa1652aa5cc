# chromium without a window: it renders a local page of many elements that scripts build,
# and says what the document is then and what it looks like. A dozen processes.
# shellcheck shell=bash disable=SC2034,SC2154
needs=(chromium)

# Most of it is libraries' data, which is not managed: half of it all hurts nobody.
budgets() {
	printf '%s\n' $((native_peak / 2)) $((native_peak / 6))
}

prepare() {
	cat >page.html <<-HTML
		<!doctype html>
		<meta charset="utf-8">
		<title>A page</title>
		<style>
			body { font: 12px monospace; margin: 8px; background: #fff; }
			td { border: 1px solid #ccc; padding: 1px 3px; }
			tr:nth-child(3n) td { background: linear-gradient(90deg, #def, #fed); border-radius: 4px; }
		</style>
		<canvas id="c" width="900" height="160"></canvas>
		<svg width="300" height="160"><circle cx="80" cy="80" r="60" fill="#a63"/><path d="M120 20L280 140H120z"/></svg>
		<table id="t"></table>
		<p id="out"></p>
		<script>
			let x = 1;
			const next = () => (x = Math.imul(x, 1664525) + 1013904223 >>> 0) >>> 8;
			const n = $(size 30000 6000);
			const all = [];
			for (let i = 0; i < n * 10; i++)
				all.push({ id: i, name: 'object ' + next().toString(36), list: [next(), next(), next() % 7] });
			all.sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : a.id - b.id);
			const table = document.getElementById('t');
			for (let i = 0; i < n; i++) {
				const row = table.insertRow();
				for (let k = 0; k < 4; k++)
					row.insertCell().textContent = k ? all[i * k].name : i;
				row.dataset.sum = all[i].list.join('-');
			}
			for (let i = 0; i < n; i += 5)
				table.rows[next() % table.rows.length].remove();
			const c = document.getElementById('c').getContext('2d');
			for (let i = 0; i < 400; i++) {
				c.fillStyle = 'rgb(' + next() % 256 + ',' + next() % 256 + ',' + next() % 256 + ')';
				c.fillRect(next() % 900, next() % 160, 5 + next() % 60, 5 + next() % 40);
			}
			let sum = 0;
			for (const v of c.getImageData(0, 0, 900, 160).data)
				sum = Math.imul(sum, 31) + v | 0;
			document.getElementById('out').textContent = table.rows.length + ' rows, ' + sum + ', ' + table.offsetHeight;
		</script>
	HTML
}

# Its messages have times and numbers of processes in them. As root its own sandbox is refused.
job() {
	local status
	export HOME=$PWD XDG_CACHE_HOME=$PWD/profile XDG_CONFIG_HOME=$PWD/profile
	# shellcheck disable=SC2016 # the inner shell's
	measured sh -c 'page=$1
		set -- chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars \
			--user-data-dir="$PWD/profile"
		"$@" --dump-dom "$page" && "$@" --window-size=1000,1400 --screenshot="$PWD/page.png" "$page"' \
		sh "file://$input/page.html" 2>messages
	status=$?
	[ "$status" -eq 0 ] || tail -n 20 messages >&2
	rm -rf profile messages
	return $status
}
