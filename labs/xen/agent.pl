#!/usr/bin/perl
# What runs in the lab's Dom0: does what one connection asks for, and ends it when the connection ends.
#
# A request is one line of words, the first plain and the others in hexadecimal, then what the command is to read:
#   run ARGUMENT...   -> frames of a letter and four bytes of length: o (output), e (errors), x (exit code), m (no such
#                        program, which errno); the input ends with the client's half of the connection
#   connect PATH      -> one frame y, then the bytes of that unix socket as they are; or one frame n with the reason
# It says + first: a request is sent only then, so that a connection that QEMU's network dropped can be made again.
# A program is ended with all its children when its client goes away.
use strict;
use warnings;
use Socket;
use POSIX ();

my $port = shift;
$SIG{CHLD} = 'IGNORE';
$SIG{PIPE} = 'IGNORE';
socket(my $server, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
setsockopt($server, SOL_SOCKET, SO_REUSEADDR, 1);
bind($server, pack_sockaddr_in($port, INADDR_ANY)) or die "bind: $!";
listen($server, 128) or die "listen: $!";
syswrite(STDOUT, "lab: ready\n");
while (1) {
  accept(my $client, $server) or next;
  my $child = fork() // next;
  if ($child == 0) {
    close($server);
    serve($client);
    POSIX::_exit(0);
  }
  close($client);
}

sub serve {
  my ($client) = @_;
  syswrite($client, '+');
  my $line = '';
  while ($line !~ /\n\z/) { sysread($client, $line, 1, length $line) or return; }
  chomp $line;
  my ($what, @words) = split / /, $line;
  @words = map { pack 'H*', $_ } @words;
  $what eq 'connect' ? join_socket($client, @words) : run($client, @words);
}

sub run {
  my ($client, @command) = @_;
  $SIG{CHLD} = 'DEFAULT';
  pipe(my $in_read, my $in_write);
  pipe(my $out_read, my $out_write);
  pipe(my $err_read, my $err_write);
  pipe(my $why_read, my $why_write);
  my $child = fork() // return;
  if ($child == 0) {
    POSIX::setsid();
    POSIX::dup2(fileno $in_read, 0);
    POSIX::dup2(fileno $out_write, 1);
    POSIX::dup2(fileno $err_write, 2);
    close($_) for $client, $in_read, $in_write, $out_read, $out_write, $err_read, $err_write, $why_read;
    $SIG{PIPE} = 'DEFAULT';
    { no warnings; exec { $command[0] } @command; }
    syswrite($why_write, 0 + $!);
    POSIX::_exit(127);
  }
  close($_) for $in_read, $out_write, $err_write, $why_write;
  sysread($why_read, my $why, 16);
  if ($why) {
    waitpid($child, 0);
    return frame($client, 'm', $why);
  }
  my %outputs = (fileno($out_read) => [$out_read, 'o'], fileno($err_read) => [$err_read, 'e']);
  my $hears = 1;
  while (%outputs) {
    my $wanted = '';
    vec($wanted, $_, 1) = 1 for keys %outputs;
    vec($wanted, fileno $client, 1) = 1 if $hears;
    select($wanted, undef, undef, undef) > 0 or next;
    if ($hears && vec($wanted, fileno $client, 1)) {
      my $got = sysread($client, my $bytes, 65536);
      if (!defined $got) { kill 'KILL', -$child; return }
      if ($got) { write_all($in_write, $bytes) }
      else { close($in_write); $hears = 0 }
    }
    for my $fd (keys %outputs) {
      next unless vec($wanted, $fd, 1);
      my ($handle, $letter) = @{ $outputs{$fd} };
      if (sysread($handle, my $bytes, 65536)) {
        frame($client, $letter, $bytes) or do { kill 'KILL', -$child; return };
      } else {
        delete $outputs{$fd};
      }
    }
  }
  waitpid($child, 0);
  frame($client, 'x', ($? & 127) ? 128 + ($? & 127) : $? >> 8);
}

sub join_socket {
  my ($client, $path) = @_;
  socket(my $there, PF_UNIX, SOCK_STREAM, 0);
  connect($there, pack_sockaddr_un($path)) or return frame($client, 'n', 0 + $!);
  frame($client, 'y', '');
  my %other = (fileno $client => [$client, $there], fileno $there => [$there, $client]);
  while (%other) {
    my $wanted = '';
    vec($wanted, $_, 1) = 1 for keys %other;
    select($wanted, undef, undef, undef) > 0 or next;
    for my $fd (keys %other) {
      next unless vec($wanted, $fd, 1);
      my ($from, $to) = @{ $other{$fd} };
      if (sysread($from, my $bytes, 65536)) { write_all($to, $bytes) or return }
      else { shutdown($to, 1); delete $other{$fd} }
    }
  }
}

sub frame {
  my ($client, $letter, $bytes) = @_;
  return write_all($client, $letter . pack('N', length $bytes) . $bytes);
}

sub write_all {
  my ($handle, $bytes) = @_;
  while (length $bytes) {
    my $sent = syswrite($handle, $bytes) or return 0;
    substr($bytes, 0, $sent) = '';
  }
  return 1;
}
