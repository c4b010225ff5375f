"""The pages of the portal: templates, style, and the pictures on them; what is shown comes from
who answers requests.
"""
