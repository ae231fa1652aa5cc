# ruby: objects, strings and a heap that is collected and compacted, and a child.
# shellcheck shell=bash disable=SC2034,SC2154
needs=(/usr/bin/ruby)

prepare() {
	cat >job.rb <<-'RB'
		require 'digest'

		n = Integer(ARGV[0])
		x = 1
		nxt = -> { x = (x * 48271) % 2147483647 }
		Item = Struct.new(:id, :name, :tags, :link)
		items = Array.new(n) { |i| Item.new(i, format('item-%08x', nxt.call), [nxt.call % 97, nxt.call % 89], nil) }
		by_name = items.to_h { |i| [i.name, i] }
		items.each { |i| i.link = items[nxt.call % n] }
		n.times { |i| by_name.delete(items[i].name) if i % 3 == 0 }
		GC.compact
		text = items.map { |i| "#{i.name}:#{i.tags.join('.')}" }.join("\n")
		found = text.scan(/item-0*([1-9a-f]+):(\d+)\.7\n/).length
		GC.start
		sum = lambda do |step|
		  digest = Digest::SHA256.new
		  0.step(n - 1, step) do |i|
		    o = items[i]
		    8.times { digest << o.name << o.tags.sum.to_s; o = o.link }
		  end
		  digest.hexdigest
		end
		puts "#{by_name.size} #{found} #{text.length} #{sum.call(101)}"
		$stdout.flush
		pid = fork do
		  items.each_slice(50) { |s| s[0].tags << s[-1].id }
		  GC.start
		  puts "child: #{sum.call(97)}"
		end
		Process.wait(pid)
		puts "#{$?.exitstatus} #{sum.call(97)}"
	RB
}

job() {
	measured /usr/bin/ruby "$input/job.rb" "$(size 500000 120000)"
}
