# Stands in for Vivado: tclsh stub.tcl PLANT… -- build.tcl [ARGUMENTS]. Each command that build.tcl uses is written to stdout, its options are
# checked against those of UG835, and what it names against what was made before. PLANT is NAME=VALUE: wns, whs, version, progress, dsp,
# bit and hwh (0: not made).
array set plant {wns 0.412 whs 0.021 version 2022.1 progress 100% dsp 210 bit 1 hwh 1}
set split [lsearch -exact $argv --]
foreach setting [lrange $argv 0 [expr {$split - 1}]] {
  lassign [split $setting =] name value
  set plant($name) $value
}
set script [lindex $argv [expr {$split + 1}]]
set argv [lrange $argv [expr {$split + 2}] end]

set cells {}
set project ""
# Pins that the design may name; those of the core come from its source.
set pins {
  ps/FCLK_CLK0 ps/FCLK_RESET0_N ps/M_AXI_GP0_ACLK ps/S_AXI_HP0_ACLK ps/S_AXI_HP2_ACLK ps/IRQ_F2P ps/M_AXI_GP0 ps/S_AXI_HP0 ps/S_AXI_HP2
  control/aclk control/aresetn control/S00_AXI control/M00_AXI reset/slowest_sync_clk reset/ext_reset_in reset/peripheral_aresetn
}
set source [open [file join [file dirname [file normalize [info script]]] fabriclens_core.v]]
foreach {- name} [regexp -all -inline {XIL_INTERFACENAME (\w+)} [read $source]] { lappend pins fabriclens/$name }
close $source

# Options of a command: those with a value, and those without.
array set options {
  create_project {-part 1 -force 0} add_files {-norecurse 0} update_compile_order {-fileset 1} create_bd_design {} create_bd_cell {-type 1 -vlnv 1 -reference 1}
  set_property {-dict 0} apply_bd_automation {-rule 1 -config 1} connect_bd_net {} connect_bd_intf_net {} validate_bd_design {} save_bd_design {}
  assign_bd_address {-offset 1 -range 1 -target_address_space 1} generate_target {} make_wrapper {-files 1 -top 0 -import 0}
  launch_runs {-to_step 1 -jobs 1} wait_on_run {} open_run {} report_timing_summary {-file 1} report_utilization {-return_string 0}
}

# What is left of a command's arguments without its options.
proc recorded {command arguments} {
  global options
  puts [concat $command $arguments]
  set rest {}
  array set known $options($command)
  for {set i 0} {$i < [llength $arguments]} {incr i} {
    set word [lindex $arguments $i]
    if {![string match -* $word]} { lappend rest $word; continue }
    if {![info exists known($word)]} { error "$command has no option $word" }
    incr i $known($word)
  }
  return $rest
}
foreach command [array names options] { proc $command args "recorded $command \$args; return {}" }

proc there {list name what} {
  if {$name ni $list} { error "there is no $what '$name'" }
  return $name
}
proc version {option} { global plant; return $plant(version) }
proc current_project {} { return project }
proc current_fileset {} { return sources_1 }
proc create_project args { global project; set project [lindex [recorded create_project $args] 1]; file mkdir $project }
proc add_files args { foreach file [lindex [recorded add_files $args] 0] { if {![file exists $file]} { error "no file $file" } } }
proc create_bd_cell args { global cells; lappend cells [lindex [recorded create_bd_cell $args] 0] }
proc get_bd_cells {name} { global cells; there $cells $name cell }
proc get_bd_pins {name} { global pins; there $pins $name pin }
proc get_bd_intf_pins {name} { global pins; there $pins $name "interface pin" }
proc get_bd_addr_spaces {name} { there ps/Data $name "address space" }
proc get_bd_addr_segs {name} { there fabriclens/s_axi_control/* $name "address segment" }
proc get_files {name} { there overlay.bd $name file }
proc get_runs {name} { there {synth_1 impl_1} $name run }
proc get_property {name object} {
  global plant
  return [dict get [dict create STATUS "$object status" PROGRESS $plant(progress) DIRECTORY /runs/$object STATS.WNS $plant(wns) STATS.WHS $plant(whs)] $name]
}
proc launch_runs args {
  global project plant
  set run [lindex [recorded launch_runs $args] 0]
  there {synth_1 impl_1} $run run
  foreach {made name path} [list $plant(bit) impl_1 overlay.runs/impl_1/overlay_wrapper.bit $plant(hwh) impl_1 overlay.gen/sources_1/bd/overlay/hw_handoff/overlay.hwh] {
    if {$made && $run eq $name} {
      file mkdir [file dirname [file join $project $path]]
      close [open [file join $project $path] w]
    }
  }
}
proc report_utilization args {
  global plant
  recorded report_utilization $args
  return "| Slice LUTs                 | 22714 |     0 |          0 |     53200 | 42.70 |\n| Block RAM Tile    |   89 |     0 |          0 |       140 | 63.57 |\n| DSPs           |  $plant(dsp) |     0 |          0 |       220 | 95.45 |"
}
source $script
