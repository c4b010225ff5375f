"""What an installation needs besides the code: settings, deployments, units, and the
demonstration.
"""
