# node: some 200 MB of objects, maps, strings and typed arrays.
# shellcheck shell=bash disable=SC2034
needs=(/usr/bin/node)

prepare() {
	cat >job.js <<-'JS'
		'use strict';
		const crypto = require('crypto');
		const n = Number(process.argv[2]);
		let x = 1;
		const next = () => (x = Math.imul(x, 1664525) + 1013904223 >>> 0);
		const objects = [];
		const byName = new Map();
		for (let i = 0; i < n; i++) {
			const o = { id: i, name: 'object-' + next().toString(16), tags: [next() % 100, next() % 100], next: null };
			if (i)
				o.next = objects[next() % i];
			objects.push(o);
			byName.set(o.name, o);
		}
		for (let i = 0; i < n; i += 3)
			byName.delete(objects[i].name);
		objects.sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : a.id - b.id);
		const numbers = new Float64Array(n * 4);
		for (let i = 0; i < numbers.length; i++)
			numbers[i] = next() / 7;
		numbers.sort();
		const hash = crypto.createHash('sha256');
		for (let i = 0; i < n; i += 97) {
			let o = objects[i], depth = 0;
			while (o && depth++ < 20) {
				hash.update(o.name + o.tags.join());
				o = o.next;
			}
			hash.update(String(numbers[i * 4]));
		}
		const text = JSON.stringify(objects.slice(0, n / 20).map(o => [o.id, o.name]));
		hash.update(text);
		console.log(byName.size, text.length, hash.digest('hex'));
	JS
}

job() {
	measured /usr/bin/node "$input/job.js" "$(size 700000 300000)"
}
