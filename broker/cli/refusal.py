"""What is wrong with what the user gave."""

import click


class Refusal(click.ClickException):
    """Wrong input or a wrong setting, told in one line; nothing was done. Exit code 2."""

    exit_code = 2
