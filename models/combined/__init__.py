"""The paper's model, step by step: select, sign, combine, compare, correct for optimism, explain,
align.
"""
