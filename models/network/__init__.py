"""All that may import Keras: the 3D-SE-ResNet, its training, its deep features."""
