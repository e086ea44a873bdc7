# overlay.json: what is in the folder, by which the agent on the board knows that bit and hwh are whole and belong together.
# SHA-256 (FIPS 180-4) in plain Tcl, for Vivado's own Tcl has it only where tcllib was installed: seconds for a bitstream.

# The constants: the first 32 bits of the fractional parts of the cube roots (and square roots) of the first primes, in integers.
proc sha256_constants {} {
  set k {}
  set h {}
  for {set n 2} {[llength $k] < 64} {incr n} {
    set prime 1
    for {set d 2} {$d * $d <= $n} {incr d} { if {$n % $d == 0} { set prime 0; break } }
    if {!$prime} { continue }
    lappend k [expr {[root 3 [expr {$n << 96}]] & 0xffffffff}]
    if {[llength $h] < 8} { lappend h [expr {[root 2 [expr {$n << 64}]] & 0xffffffff}] }
  }
  return [list $k $h]
}

# The whole part of the root: the largest number whose power is not above `value`.
proc root {power value} {
  set low 0
  set high [expr {1 << 40}]
  while {$high - $low > 1} {
    set middle [expr {($low + $high) / 2}]
    if {$middle ** $power <= $value} { set low $middle } else { set high $middle }
  }
  return $low
}

proc sha256_of {path} {
  lassign [sha256_constants] k state
  set file [open $path rb]
  set data [read $file]
  close $file
  set bits [expr {8 * [string length $data]}]
  append data \x80 [string repeat \0 [expr {(119 - [string length $data] % 64) % 64}]] [binary format W $bits]
  for {set at 0} {$at < [string length $data]} {incr at 64} {
    binary scan [string range $data $at [expr {$at + 63}]] Iu16 w
    set state [sha256_block $state $w $k]
  }
  return [format %08x%08x%08x%08x%08x%08x%08x%08x {*}$state]
}

proc sha256_block {state w k} {
  for {set i 16} {$i < 64} {incr i} {
    set x [lindex $w [expr {$i - 15}]]
    set y [lindex $w [expr {$i - 2}]]
    lappend w [expr {([lindex $w [expr {$i - 16}]] + [lindex $w [expr {$i - 7}]] \
      + (($x >> 7 | $x << 25) ^ ($x >> 18 | $x << 14) ^ $x >> 3) + (($y >> 17 | $y << 15) ^ ($y >> 19 | $y << 13) ^ $y >> 10)) & 0xffffffff}]
  }
  lassign $state a b c d e f g h
  foreach word $w constant $k {
    set t [expr {$h + (($e >> 6 | $e << 26) ^ ($e >> 11 | $e << 21) ^ ($e >> 25 | $e << 7)) + (($e & $f) ^ (~$e & $g)) + $constant + $word}]
    set u [expr {(($a >> 2 | $a << 30) ^ ($a >> 13 | $a << 19) ^ ($a >> 22 | $a << 10)) + (($a & $b) ^ ($a & $c) ^ ($b & $c))}]
    set h $g
    set g $f
    set f $e
    set e [expr {($d + $t) & 0xffffffff}]
    set d $c
    set c $b
    set b $a
    set a [expr {($t + $u) & 0xffffffff}]
  }
  set sums {}
  foreach before $state after [list $a $b $c $d $e $f $g $h] { lappend sums [expr {($before + $after) & 0xffffffff}] }
  return $sums
}

# A number of the core's sources: LAYOUT_VERSION, CORE_VERSION.
proc of_sources {folder name} {
  foreach path [lsort [glob [file join $folder *.sv]]] {
    set file [open $path]
    set text [read $file]
    close $file
    if {[regexp "localparam\[^;\]*\\y$name *= *(?:32'd)?(\\d+) *;" $text -> number]} { return $number }
  }
  fail "no source in $folder defines $name"
}

# In `out`, of fabriclens.bit and fabriclens.hwh there; address and span in bytes, clock in MHz.
proc write_manifest {out rtl address span clock shape vivado} {
  set file [open [file join $out overlay.json] w]
  puts $file [format {{
  "format": 1,
  "core": { "version": %d, "layout": %d, "shape": "%s" },
  "address": %d,
  "span": %d,
  "clock_khz": %d,
  "bit": { "file": "fabriclens.bit", "sha256": "%s" },
  "hwh": { "file": "fabriclens.hwh", "sha256": "%s" },
  "vivado": "%s"
}} [of_sources $rtl CORE_VERSION] [of_sources $rtl LAYOUT_VERSION] $shape $address $span [expr {round(1000.0 * $clock)}] \
    [sha256_of [file join $out fabriclens.bit]] [sha256_of [file join $out fabriclens.hwh]] $vivado]
  close $file
}
