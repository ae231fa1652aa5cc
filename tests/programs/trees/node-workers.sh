# node with worker threads, each with a heap of its own, and child processes of all
# kinds: fork with messages, spawn with pipes, exec, and one that is killed.
# shellcheck shell=bash disable=SC2034,SC2154
needs=(/usr/bin/node)

prepare() {
	cat >job.js <<-'JS'
		'use strict';
		const { Worker, isMainThread, workerData, parentPort } = require('worker_threads');
		const { fork, spawn, execFile, execFileSync } = require('child_process');
		const crypto = require('crypto');

		// Builds and shakes a heap of n objects, and says what is in it.
		function work(seed, n) {
			let x = seed;
			const next = () => (x = Math.imul(x, 1664525) + 1013904223 >>> 0);
			const objects = [];
			for (let i = 0; i < n; i++)
				objects.push({ id: next(), text: 'text ' + next().toString(36), list: [i, i + 1] });
			for (let i = 0; i < n; i += 2)
				objects[next() % n] = { id: i, text: 'new ' + i, list: [] };
			objects.sort((a, b) => a.id - b.id || (a.text < b.text ? -1 : 1));
			const hash = crypto.createHash('sha256');
			for (const o of objects)
				hash.update(o.id + o.text + o.list.join());
			return hash.digest('hex');
		}

		function once(emitter, event) {
			return new Promise((resolve, reject) => {
				emitter.once(event, (...values) => resolve(values));
				emitter.once('error', reject);
			});
		}

		async function worker(seed, n, shared) {
			const w = new Worker(__filename, { workerData: { seed, n, shared } });
			// Both may come in one turn of the loop.
			const [[message]] = await Promise.all([once(w, 'message'), once(w, 'exit')]);
			return message;
		}

		async function child(seed, n) {
			const c = fork(__filename, ['child']);
			c.send({ seed, n });
			const [[message], [code]] = await Promise.all([once(c, 'message'), once(c, 'exit')]);
			return message + ' ' + code;
		}

		async function filter(text) {
			const c = spawn('sort', ['-u'], { stdio: ['pipe', 'pipe', 'inherit'] });
			const closed = once(c, 'close');
			let out = '';
			c.stdout.on('data', data => out += data);
			c.stdin.end(text);
			await closed;
			return crypto.createHash('sha256').update(out).digest('hex');
		}

		async function killed() {
			const c = fork(__filename, ['idle']);
			await once(c, 'message');
			c.kill('SIGKILL');
			return (await once(c, 'exit'))[1];
		}

		async function main() {
			const n = Number(process.argv[2]);
			const shared = new SharedArrayBuffer(4 * 1024);
			const keep = [];
			for (let i = 0; i < n; i++)
				keep.push('kept ' + i * 7919);
			const jobs = [];
			for (let i = 0; i < 4; i++)
				jobs.push(worker(i + 1, n, shared));
			for (let i = 0; i < 3; i++)
				jobs.push(child(i + 10, n));
			jobs.push(filter(keep.join('\n')), killed());
			for (const result of await Promise.all(jobs))
				console.log(result);
			console.log(new Int32Array(shared).reduce((a, b) => a + b));
			let lines = 0;
			for (let i = 0; i < 20; i++)
				lines += execFileSync('/bin/sh', ['-c', 'echo $0 | cat', String(i)]).toString().length;
			console.log(lines, keep.every((s, i) => s === 'kept ' + i * 7919));
			await new Promise(resolve => execFile('/bin/false', error => {
				console.log('false:', error.code);
				resolve();
			}));
		}

		if (!isMainThread) {
			const counters = new Int32Array(workerData.shared);
			for (let i = 0; i < 100000; i++)
				Atomics.add(counters, i % 1024, 1);
			parentPort.postMessage(work(workerData.seed, workerData.n));
		} else if (process.argv[2] === 'child') {
			process.once('message', ({ seed, n }) => process.send(work(seed, n), () => process.disconnect()));
		} else if (process.argv[2] === 'idle') {
			setInterval(() => 0, 1000);
			process.send('here');
		} else {
			main();
		}
	JS
}

job() {
	measured /usr/bin/node "$input/job.js" "$(size 100000 25000)"
}
