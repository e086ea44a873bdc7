# Builds the overlay of the PL core for a PYNQ-Z2 (xc7z020clg400-1): fabriclens.bit, fabriclens.hwh and overlay.json.
#   vivado -mode batch -source hls/vivado/build.tcl [-tclargs [-clock MHZ] [-out FOLDER] [-jobs N] [-shape 8x3|16x1]]
# For Vivado 2020.2 to 2024.2. Ends with 1 and a line that starts with ERROR where there is no overlay, or none that keeps its clock.
# No Vivado has run this yet: see README.md beside it.
set here [file dirname [file normalize [info script]]]
source [file join $here design.tcl]
source [file join $here check.tcl]
source [file join $here manifest.tcl]

set clock 100
set out [file normalize [file join $here .. .. build overlay]]
set jobs 4
set shape 8x3
foreach {name value} $argv {
  switch -- $name {
    -clock { set clock $value }
    -out { set out [file normalize $value] }
    -jobs { set jobs $value }
    -shape { set shape $value }
    default { fail "unknown argument '$name'; there are -clock, -out, -jobs and -shape, each with a value" }
  }
}
if {[llength $argv] % 2} { fail "'[lindex $argv end]' has no value" }
check_version [version -short]
check_clock $clock
if {![regexp {^(8)x(3)$|^(16)x(1)$} $shape]} { fail "no shape '$shape'; there are 8x3 and 16x1" }
lassign [split $shape x] oc px

file mkdir $out
create_project -force overlay [file join $out project] -part xc7z020clg400-1
set_property target_language Verilog [current_project]
add_files -norecurse [concat [lsort [glob [file join $here .. rtl *.sv]]] [list [file join $here fabriclens_core.v]]]
update_compile_order -fileset sources_1

create_overlay $clock $oc $px
set bd [get_files overlay.bd]
generate_target all $bd
make_wrapper -files $bd -top -import
set_property top overlay_wrapper [current_fileset]
update_compile_order -fileset sources_1

launch_runs synth_1 -jobs $jobs
wait_on_run synth_1
check_run synth_1
launch_runs impl_1 -to_step write_bitstream -jobs $jobs
wait_on_run impl_1
check_run impl_1
open_run impl_1
report_timing_summary -file [file join $out timing.rpt]
set utilisation [report_utilization -return_string]
set file [open [file join $out utilisation.rpt] w]
puts $file $utilisation
close $file
check_timing_kept [get_property STATS.WNS [get_runs impl_1]] [get_property STATS.WHS [get_runs impl_1]] $clock
check_utilisation $utilisation

# The hand-off lies in overlay.gen, since 2020.2, or overlay.srcs.
set bit [only_file [file join $out project overlay.runs impl_1 overlay_wrapper.bit]]
set hwh [only_file [file join $out project overlay.* sources_1 bd overlay hw_handoff overlay.hwh]]
# PYNQ finds the hwh by the name of the bit.
file copy -force $bit [file join $out fabriclens.bit]
file copy -force $hwh [file join $out fabriclens.hwh]
write_manifest $out [file join $here .. rtl] $CORE_ADDRESS 4096 $clock $shape [version -short]
puts "Overlay: [file join $out fabriclens.bit], .hwh and overlay.json, $shape at $clock MHz"
