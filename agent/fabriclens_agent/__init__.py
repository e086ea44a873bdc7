"""FabricLens companion: serves model packages over the Open Inference Protocol v2 and runs them through the FabricLens
runtime (a C library). Python >= 3.8, standard library only, no machine-learning package."""

__version__ = '0.1.0'
