# What must hold before, during and after a build; each says what is wrong in one line and ends it.

proc fail {text} {
  puts stderr "ERROR: $text"
  exit 1
}

# "2022.1", "2022.1.2", "2023.2_AR123"
proc check_version {text} {
  if {![regexp {^(\d{4})\.(\d)} $text -> year release]} { fail "Vivado calls its version '$text'" }
  set number [expr {10 * $year + $release}]
  if {$number < 20202 || $number > 20242} { fail "this is Vivado $text; these scripts are for 2020.2 to 2024.2" }
}

# FCLK0 is the IO PLL's 1000 MHz divided by two numbers of 1 to 63.
proc check_clock {clock} {
  if {![string is double -strict $clock] || $clock < 20 || $clock > 250} { fail "-clock is 20 to 250 (MHz), not '$clock'" }
  set least 1e9
  for {set a 1} {$a <= 63} {incr a} {
    for {set b $a} {$b <= 63} {incr b} {
      set has [expr {1000.0 / $a / $b}]
      if {abs($has - $clock) < abs($least - $clock)} { set least $has }
    }
  }
  if {abs($least - $clock) > 0.001 * $clock} { fail "FCLK0 cannot be $clock MHz; the nearest is [format %.3f $least]" }
}

proc check_run {run} {
  set status [get_property STATUS [get_runs $run]]
  if {[get_property PROGRESS [get_runs $run]] ne "100%"} { fail "$run ended with '$status': see runme.log in [get_property DIRECTORY [get_runs $run]]" }
}

# Slack of set-up and hold in nanoseconds.
proc check_timing_kept {setup hold clock} {
  foreach {what slack} [list "set-up" $setup "hold" $hold] {
    if {![string is double -strict $slack]} { fail "there is no $what slack: '$slack'" }
    if {$slack < 0} { fail "the design does not keep $clock MHz: $what slack is $slack ns (timing.rpt)" }
  }
}

# Of a row "| name | used | ..." of Vivado's report.
proc used_of {report name} {
  if {![regexp -line "^\\|\\s*$name\\s*\\|\\s*(\[0-9.\]+)\\s*\\|" $report -> used]} { fail "the utilisation report has no row '$name'" }
  return $used
}

# Far fewer DSPs than the array has mean that it was optimised away, or built of LUTs.
proc check_utilisation {report} {
  foreach {name least most} {"DSPs" 128 220 "Block RAM Tile" 1 140 "Slice LUTs" 1 53200} {
    set used [used_of $report $name]
    puts "$name: $used"
    if {$used < $least || $used > $most} { fail "$used of $name are used; $least to $most are expected (utilisation.rpt)" }
  }
}

proc only_file {pattern} {
  set found [glob -nocomplain $pattern]
  if {[llength $found] != 1} { fail "Vivado left [llength $found] files like $pattern, not one" }
  return [lindex $found 0]
}
