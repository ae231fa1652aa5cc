# java with a heap of which half and more is alive: objects of all sizes, long chains, maps,
# what dies young and what dies old. The jobs java-* say which collector. Sourced by them.
# shellcheck shell=bash disable=SC2034,SC2154
needs=(java javac)
# Stacks of its compilers' threads come and go between two samples of what is not managed.
slack_kib=1024

prepare() {
	cat >Job.java <<-'JAVA'
		import java.util.*;

		public class Job {
			static int x = 1;

			static int next() {
				x = x * 1664525 + 1013904223;
				return x >>> 8;
			}

			static final class Node {
				final int id;
				final byte[] data;
				Node left, right;

				Node(int id, int size) {
					this.id = id;
					data = new byte[size];
					Arrays.fill(data, (byte) (id * 31));
				}
			}

			static long sum(Node n) {
				long s = 0;
				for (int depth = 0; n != null && depth < 40; depth++) {
					s = s * 31 + n.id + n.data[n.data.length / 2];
					n = (n.id + depth & 1) == 0 ? n.left : n.right;
				}
				return s;
			}

			/* Half of the collector's work is done while these run. */
			static long worker(Node[] nodes, int from, int to) {
				long s = 0;
				StringBuilder young = new StringBuilder();
				for (int i = from; i < to; i++) {
					s = s * 17 + sum(nodes[i]);
					young.append(Integer.toString(nodes[i].id, 36));
					if (young.length() > 1000) {
						s += young.toString().hashCode();
						young = new StringBuilder();
					}
				}
				return s;
			}

			public static void main(String[] args) throws Exception {
				int n = Integer.parseInt(args[0]);
				Node[] nodes = new Node[n];
				HashMap<String, Node> byName = new HashMap<>();
				for (int i = 0; i < n; i++) {
					nodes[i] = new Node(i, 16 + next() % 400 + (i % 1000 == 0 ? 200000 : 0));
					if (i % 4 == 0)
						byName.put("node-" + i, nodes[i]);
				}
				for (int round = 0; round < 3; round++) {
					/* what is old gets young neighbours, and some of it goes */
					for (int i = 0; i < n; i++) {
						if (next() % 8 == 0)
							nodes[i] = new Node(i + round, 16 + next() % 400);
						nodes[i].left = nodes[next() % n];
						nodes[i].right = i % 3 == 0 ? null : nodes[next() % n];
					}
					for (int i = 0; i < n; i += 16)
						byName.remove("node-" + i);
					final long[] sums = new long[2];
					Thread[] threads = new Thread[sums.length];
					for (int t = 0; t < threads.length; t++) {
						final int me = t;
						threads[t] = new Thread(() -> sums[me] = worker(nodes, n / 2 * me, n / 2 * (me + 1)));
						threads[t].start();
					}
					for (Thread t : threads)
						t.join();
					System.out.println(round + " " + sums[0] + " " + sums[1] + " " + byName.size());
				}
				/* the JVM's own checks for null and for the end of the stack are faults */
				int caught = 0;
				for (int i = 0; i < 20000; i++)
					try {
						caught += sum(nodes[i % n].left) == 0 ? 1 : nodes[i % n].right.id & 1;
					} catch (NullPointerException e) {
						caught += 3;
					}
				try {
					deep(0);
				} catch (StackOverflowError e) {
					caught += 1000000;
				}
				System.out.println(caught);
			}

			static int deep(int n) {
				return deep(n + 1) + 1;
			}
		}
	JAVA
	javac -d . Job.java
}

# Not so small that a concurrent collector may come too late when it runs slowly.
heap_mib() {
	size 512 128
}

# java_job OPTION...
java_job() {
	measured java "-Xms$(heap_mib)m" "-Xmx$(heap_mib)m" -Xshare:auto -XX:-UsePerfData "$@" -cp "$input" Job \
		"$(size 600000 120000)"
}
