"""The expectations that data must meet: suites of rules, the facts they judge, evaluation,
records.
"""
