#!/usr/bin/perl
# What runs in the kernel-IPVS guest: takes requests from a virtio serial port, does their steps, answers.
#
# A request is lines of words, words in hexadecimal, ended by the line "go"; the answer is "end" after one line per
# step, which begins with the milliseconds since the world began, before the step.
#   world                    a network namespace of its own with the interface "client" (a tap held by this program)
#   run STDIN ARGUMENT...    -> run RC STDOUT STDERR
#   frame BYTES              an Ethernet frame comes in on "client" -> frame OUT,OUT...: what left there at once
#   write FILE CONTENT       -> write, or write ERROR
#   read FILE                -> read CONTENT
#   netlink PROTOCOL BYTES   a question -> netlink ANSWERS: all messages of the answer
#   sleep MS                 -> sleep OUT,OUT...
#   until MS                 sleeps until so long after the world began -> until OUT,OUT...
# It never sleeps otherwise: while it waits for a request it spins, so that virtual time, which jumps when the
# CPU is idle, stands almost still.
use strict;
use warnings;

# From the headers of x86-64 Linux: of Perl only the core is in the guest.
my ($WRONLY, $RDWR_NOW) = (1, 2 | 04000);
my ($SYS_unshare, $SYS_clock_gettime) = (272, 228);
my ($CLONE_NEWNET, $CLOCK_MONOTONIC) = (0x40000000, 1);
my ($AF_NETLINK, $SOCK_RAW) = (16, 3);
my ($NLMSG_ERROR, $NLMSG_DONE) = (2, 3);
my ($TUNSETIFF, $IFF_TAP, $IFF_NO_PI) = (0x400454ca, 2, 0x1000);

my ($port_name) = @ARGV;
my $epoch = 0;
my $tap;
my %steps = (world => \&world, run => \&run, frame => \&frame, write => \&put, read => \&get, netlink => \&netlink, sleep => \&wait_for, until => \&wait_until);

sysopen(my $port, $port_name, $RDWR_NOW) or die "open $port_name: $!";
send_all("ready\n");
serve();

sub serve {
  my $pending = '';
  my @request;
  while (1) {
    my $got = sysread($port, my $bytes, 65536);
    # Not connected (0) and nothing there (EAGAIN) look alike: ask again.
    next unless $got;
    $pending .= $bytes;
    while ($pending =~ s/^([^\n]*)\n//) {
      if ($1 ne 'go') { push @request, $1; next }
      my $answer = join('', map { step($_) . "\n" } @request);
      @request = ();
      send_all($answer . "end\n");
    }
  }
}

sub step {
  my ($name, @words) = split(/ /, $_[0], -1);
  my $do = $steps{$name} or return "0 unknown $name";
  return join(' ', clock_ms() - $epoch, $name, eval { $do->(map { pack('H*', $_) } @words) } // ('failed', hex_of("$@")));
}

sub send_all {
  my ($bytes) = @_;
  while (length $bytes) {
    my $sent = syswrite($port, $bytes, 32768);
    substr($bytes, 0, $sent) = '' if $sent;
  }
}

sub hex_of { return unpack('H*', $_[0]) }

sub clock_ms {
  my $time = pack('q2', 0, 0);
  syscall($SYS_clock_gettime, $CLOCK_MONOTONIC, $time) == 0 or die "clock_gettime: $!";
  my ($seconds, $nanoseconds) = unpack('q2', $time);
  return $seconds * 1000 + int($nanoseconds / 1000000);
}

sub world {
  close $tap if $tap;
  syscall($SYS_unshare, $CLONE_NEWNET) == 0 or die "unshare: $!";
  sysopen($tap, '/dev/net/tun', $RDWR_NOW) or die "open tun: $!";
  ioctl($tap, $TUNSETIFF, my $request = pack('a16 S x22', 'client', $IFF_TAP | $IFF_NO_PI)) or die "TUNSETIFF: $!";
  $epoch = clock_ms();
  return '';
}

sub run {
  my ($input, @arguments) = @_;
  spill('/tmp/in', $input) if length $input;
  my $pid = fork() // die "fork: $!";
  if ($pid == 0) {
    open(STDIN, '<', length $input ? '/tmp/in' : '/dev/null');
    open(STDOUT, '>', '/tmp/out');
    open(STDERR, '>', '/tmp/err');
    no warnings 'exec';
    exec { $arguments[0] } @arguments;
    print STDERR "$arguments[0]: $!\n";
    exit 127;
  }
  waitpid($pid, 0);
  settle();
  my $code = $? & 127 ? 128 + ($? & 127) : $? >> 8;
  return join(' ', $code, hex_of(slurp('/tmp/out')), hex_of(slurp('/tmp/err')));
}

sub frame {
  syswrite($tap, $_[0]) // die "write a frame: $!";
  settle();
  return outgoing();
}

# What the kernel puts off to its next tick (a connection that expires now, the connections of a deleted server) is done
# before the next step.
sub settle { select(undef, undef, undef, 0.008) }

sub outgoing {
  my @frames;
  while (sysread($tap, my $frame, 65536)) { push @frames, hex_of($frame) }
  return join(',', @frames);
}

sub put {
  my ($file, $content) = @_;
  sysopen(my $to, $file, $WRONLY) or return hex_of("$!");
  defined syswrite($to, $content) or return hex_of("$!");
  return '';
}

sub get { return hex_of(slurp($_[0])) }

sub netlink {
  my ($protocol, $message) = @_;
  socket(my $socket, $AF_NETLINK, $SOCK_RAW, $protocol) or die "open a netlink socket: $!";
  bind($socket, pack('S S L L', $AF_NETLINK, 0, 0, 0)) or die "bind a netlink socket: $!";
  send($socket, $message, 0) // die "send to netlink: $!";
  my $answers = '';
  while (1) {
    defined recv($socket, my $part, 65536, 0) or die "receive from netlink: $!";
    $answers .= $part;
    for (my $at = 0; $at + 16 <= length $part;) {
      my ($bytes, $type) = unpack("\@$at L S", $part);
      if ($type == $NLMSG_ERROR || $type == $NLMSG_DONE) { settle(); return hex_of($answers) }
      $at += ($bytes + 3) & ~3;
    }
  }
}

sub wait_for {
  select(undef, undef, undef, $_[0] / 1000);
  return outgoing();
}

sub wait_until {
  my $left = $_[0] - (clock_ms() - $epoch);
  return $left > 0 ? wait_for($left) : outgoing();
}

sub slurp {
  sysopen(my $from, $_[0], 0) or die "open $_[0]: $!";
  my $content = '';
  while (sysread($from, my $bytes, 65536)) { $content .= $bytes }
  return $content;
}

sub spill {
  open(my $to, '>', $_[0]) or die "open $_[0]: $!";
  print $to $_[1];
  close $to;
}
