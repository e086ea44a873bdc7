# The block design: the processor as on a PYNQ-Z2, the core, its two memory ports, its registers, its interrupt and its clock.

# From the preset of the PYNQ-Z2 in Xilinx/PYNQ (boards/Pynq-Z2/petalinux_bsp/hardware_project/pynqz2.tcl). The board's own boot loader has
# set up memory and pins long before an overlay is loaded, so here they only make the clocks and the hand-off true.
set PYNQ_Z2 {
  PCW_CRYSTAL_PERIPHERAL_FREQMHZ 50
  PCW_APU_PERIPHERAL_FREQMHZ 650
  PCW_PRESET_BANK0_VOLTAGE {LVCMOS 3.3V}
  PCW_PRESET_BANK1_VOLTAGE {LVCMOS 1.8V}
  PCW_UIPARAM_DDR_MEMORY_TYPE {DDR 3}
  PCW_UIPARAM_DDR_PARTNO {MT41J256M16 RE-125}
  PCW_UIPARAM_DDR_BUS_WIDTH {16 Bit}
  PCW_UIPARAM_DDR_FREQ_MHZ 525
  PCW_UIPARAM_DDR_USE_INTERNAL_VREF 0
  PCW_UIPARAM_DDR_TRAIN_WRITE_LEVEL 1
  PCW_UIPARAM_DDR_TRAIN_READ_GATE 1
  PCW_UIPARAM_DDR_TRAIN_DATA_EYE 1
  PCW_UIPARAM_DDR_DQS_TO_CLK_DELAY_0 0.040
  PCW_UIPARAM_DDR_DQS_TO_CLK_DELAY_1 0.058
  PCW_UIPARAM_DDR_BOARD_DELAY0 0.223
  PCW_UIPARAM_DDR_BOARD_DELAY1 0.212
  PCW_QSPI_PERIPHERAL_ENABLE 1
  PCW_QSPI_GRP_SINGLE_SS_ENABLE 1
  PCW_QSPI_GRP_FBCLK_ENABLE 1
  PCW_ENET0_PERIPHERAL_ENABLE 1
  PCW_ENET0_ENET0_IO {MIO 16 .. 27}
  PCW_ENET0_GRP_MDIO_ENABLE 1
  PCW_ENET0_GRP_MDIO_IO {MIO 52 .. 53}
  PCW_ENET0_RESET_ENABLE 1
  PCW_ENET0_RESET_IO {MIO 9}
  PCW_SD0_PERIPHERAL_ENABLE 1
  PCW_SD0_SD0_IO {MIO 40 .. 45}
  PCW_SD0_GRP_CD_ENABLE 1
  PCW_SD0_GRP_CD_IO {MIO 47}
  PCW_UART0_PERIPHERAL_ENABLE 1
  PCW_UART0_UART0_IO {MIO 14 .. 15}
  PCW_USB0_PERIPHERAL_ENABLE 1
  PCW_USB0_RESET_ENABLE 1
  PCW_USB0_RESET_IO {MIO 46}
  PCW_GPIO_MIO_GPIO_ENABLE 1
}

# What the core needs of the processor. FCLK0 stands apart: its frequency is an argument.
set CORE_PORTS {
  PCW_USE_M_AXI_GP0 1
  PCW_USE_S_AXI_HP0 1
  PCW_S_AXI_HP0_DATA_WIDTH 64
  PCW_USE_S_AXI_HP2 1
  PCW_S_AXI_HP2_DATA_WIDTH 64
  PCW_USE_FABRIC_INTERRUPT 1
  PCW_IRQ_F2P_INTR 1
  PCW_EN_CLK0_PORT 1
  PCW_EN_RST0_PORT 1
  PCW_FCLK0_PERIPHERAL_CLKSRC {IO PLL}
}

set CORE_ADDRESS 0x43C00000

proc with_prefix {settings} {
  set all {}
  foreach {name value} $settings { lappend all CONFIG.$name $value }
  return $all
}

proc create_overlay {clock oc px} {
  global PYNQ_Z2 CORE_PORTS CORE_ADDRESS
  create_bd_design overlay
  create_bd_cell -type ip -vlnv xilinx.com:ip:processing_system7:5.5 ps
  set_property -dict [with_prefix [concat $PYNQ_Z2 $CORE_PORTS [list PCW_FPGA0_PERIPHERAL_FREQMHZ $clock]]] [get_bd_cells ps]
  apply_bd_automation -rule xilinx.com:bd_rule:processing_system7 -config {make_external "FIXED_IO, DDR" apply_board_preset 0 Master Disable Slave Disable} [get_bd_cells ps]

  create_bd_cell -type module -reference fabriclens_core fabriclens
  set_property -dict [list CONFIG.OC $oc CONFIG.PX $px] [get_bd_cells fabriclens]
  create_bd_cell -type ip -vlnv xilinx.com:ip:proc_sys_reset:5.0 reset
  # From the processor's AXI3 to the registers' AXI4-Lite.
  create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect:1.0 control
  set_property -dict {CONFIG.NUM_SI 1 CONFIG.NUM_MI 1} [get_bd_cells control]

  connect_bd_net [get_bd_pins ps/FCLK_CLK0] [get_bd_pins fabriclens/clk] [get_bd_pins control/aclk] [get_bd_pins reset/slowest_sync_clk] \
    [get_bd_pins ps/M_AXI_GP0_ACLK] [get_bd_pins ps/S_AXI_HP0_ACLK] [get_bd_pins ps/S_AXI_HP2_ACLK]
  connect_bd_net [get_bd_pins ps/FCLK_RESET0_N] [get_bd_pins reset/ext_reset_in]
  connect_bd_net [get_bd_pins reset/peripheral_aresetn] [get_bd_pins fabriclens/rst_n] [get_bd_pins control/aresetn]
  connect_bd_net [get_bd_pins fabriclens/irq] [get_bd_pins ps/IRQ_F2P]
  connect_bd_intf_net [get_bd_intf_pins ps/M_AXI_GP0] [get_bd_intf_pins control/S00_AXI]
  connect_bd_intf_net [get_bd_intf_pins control/M00_AXI] [get_bd_intf_pins fabriclens/s_axi_control]
  connect_bd_intf_net [get_bd_intf_pins fabriclens/m_axi_activations] [get_bd_intf_pins ps/S_AXI_HP0]
  connect_bd_intf_net [get_bd_intf_pins fabriclens/m_axi_weights] [get_bd_intf_pins ps/S_AXI_HP2]

  assign_bd_address -offset $CORE_ADDRESS -range 4K -target_address_space [get_bd_addr_spaces ps/Data] [get_bd_addr_segs fabriclens/s_axi_control/*]
  # The rest: all of the board's memory, for both memory ports.
  assign_bd_address
  validate_bd_design
  save_bd_design
}
