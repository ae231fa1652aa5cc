# perl: hashes of arrays, regular expressions, sorting, and children that read all of it.
# shellcheck shell=bash disable=SC2034,SC2154
needs=(/usr/bin/perl)

prepare() {
	cat >job.pl <<-'PL'
		use strict;
		use warnings;
		use Digest::SHA qw(sha256_hex);

		my $n = shift;
		my ($x, %words, @order) = (1);
		sub next_number { return $x = ($x * 16807) % 2147483647; }
		for my $i (1 .. $n) {
			my $word = sprintf("%08x-%08x", next_number(), next_number());
			push @{$words{$word}}, $i, scalar reverse($word), [$i % 7, $i % 11];
			push @order, $word;
		}
		delete @words{@order[map { $_ * 5 } 0 .. $#order / 5]};
		my $text = join ' ', map { "$_=" . ($words{$_} ? $words{$_}[0] : 'gone') } @order;
		my $changed = $text =~ s/([0-9a-f]{4})([0-9a-f]{4})-/$2$1+/g;
		my @sorted = sort { substr($a, 3) cmp substr($b, 3) } @order;
		my $sum = sha256_hex(join(',', @sorted[map { $_ * 97 } 0 .. $#sorted / 97]) . $text);
		print scalar(keys %words), " $changed $sum\n";
		$| = 1;
		for my $child (1 .. 3) {
			my $pid = open(my $pipe, '-|') // die "fork: $!";
			if (!$pid) {
				my $s = 0;
				for (my $i = $child; $i < @order; $i += 3) {
					my $w = $words{$order[$i]} or next;
					$w->[0] += $child;
					$s = ($s * 31 + $w->[0] + $w->[2][0]) % 1000003;
				}
				print "child $child: $s\n";
				exit 0;
			}
			print while <$pipe>;
			close $pipe or die "child: $?";
		}
	PL
}

job() {
	measured /usr/bin/perl "$input/job.pl" "$(size 300000 50000)"
}
