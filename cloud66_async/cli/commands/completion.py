"""The command `completion`: scripts with which a shell completes commands, options and names of stacks."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from cyclopts import Parameter

from ..terminal.console import print_line

__all__ = ["WITH_STACK", "completion"]

WITH_STACK: Final = (
    "stack open servers ssh-info deployments actions redeploy wait services processes jobs backups firewall env "
    "settings"
)
"""The commands whose first argument is a stack."""

# Names of stacks come without quotation marks: `__complete` prints only letters, digits and . _ - /
_BASH = f"""
_cloud66_async_with_stacks() {{
  _cloud66_async "$@"
  local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" name
  [[ $COMP_CWORD -ge 2 && "$word" != -* && " {WITH_STACK} " == *" ${{COMP_WORDS[1]}} "* ]] || return 0
  [[ "$before" != -* || "$before" == -s || "$before" == --stack || "$before" == -y || "$before" == --yes ]] || return 0
  while IFS= read -r name; do
    [[ -n "$name" ]] && COMPREPLY+=("$name")
  done < <(cloud66-async __complete stacks "$word" 2>/dev/null </dev/null)
}}

complete -F _cloud66_async_with_stacks cloud66-async
"""

_ZSH = f"""
_cloud66_async_with_stacks() {{
  local -a typed=("${{words[@]}}") names
  local place=$CURRENT
  _cyclopts_cloud66-async "$@"
  (( place >= 3 )) && [[ "${{typed[place]}}" != -* && " {WITH_STACK} " == *" ${{typed[2]}} "* ]] || return
  [[ "${{typed[place-1]}}" != -* || "${{typed[place-1]}}" == (-s|--stack|-y|--yes) ]] || return
  names=("${{(@f)$(cloud66-async __complete stacks "$PREFIX" 2>/dev/null </dev/null)}}")
  (( $#names )) && compadd -- "${{names[@]}}"
}}

compdef _cloud66_async_with_stacks cloud66-async
# zsh calls a file in $fpath as a function for the first completion.
if [[ "$funcstack[1]" == _cloud66-async ]]; then
  _cloud66_async_with_stacks "$@"
fi
"""

_FISH = f"""
complete -c cloud66-async -f -n '__fish_seen_subcommand_from {WITH_STACK}' \\
  -a '(cloud66-async __complete stacks (commandline -ct) 2>/dev/null </dev/null)'
"""

_ADDED = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def completion(shell: Annotated[Literal["bash", "zsh", "fish"], Parameter(help="Your shell.")], /) -> None:
    """Print a script that completes commands, options and names of stacks.

    Write it to a file once, and again after an update:
      cloud66-async completion bash > ~/.local/share/bash-completion/completions/cloud66-async
      cloud66-async completion zsh > ~/.zfunc/_cloud66-async
      cloud66-async completion fish > ~/.config/fish/completions/cloud66-async.fish

    Names of stacks are read with your login, and kept for some time in a file that only you can read.
    """
    from ..app import app  # imported lazily: it is the program that this command belongs to

    print_line(f"{app.generate_completion(shell=shell).rstrip()}\n{_ADDED[shell]}".rstrip())
