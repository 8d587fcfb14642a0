export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** What a shell sources to complete `kubectl-ikemesh`; the plugin itself answers what may come next. */
export const COMPLETION_SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `# source <(kubectl-ikemesh completion bash)
_kubectl_ikemesh() {
  local IFS=$'\\n'
  COMPREPLY=($(kubectl-ikemesh __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | grep -v '^:'))
}
complete -o default -F _kubectl_ikemesh kubectl-ikemesh
`,
  zsh: `#compdef kubectl-ikemesh
# source <(kubectl-ikemesh completion zsh)
_kubectl_ikemesh() {
  local -a found
  found=("\${(@f)$(kubectl-ikemesh __complete "\${(@)words[2,CURRENT]}" 2>/dev/null | grep -v '^:')}")
  compadd -- $found
}
compdef _kubectl_ikemesh kubectl-ikemesh
`,
  fish: `# kubectl-ikemesh completion fish | source
function __kubectl_ikemesh
  set --local words (commandline --tokenize --cut-at-cursor) (commandline --current-token)
  kubectl-ikemesh __complete $words[2..-1] 2>/dev/null | string match --invert --regex '^:'
end
complete --command kubectl-ikemesh --no-files --arguments '(__kubectl_ikemesh)'
`,
};
