/** The scripts themselves. Commands and options are data in them; paths are completed as the shell completes them. */

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export interface CompletedOption {
  readonly name: string;
  readonly takesValue: boolean;
  /** Empty: paths. */
  readonly values: readonly string[];
  readonly help: string;
}

export interface CompletedCommand {
  /** "data prepare" */
  readonly name: string;
  readonly summary: string;
  readonly options: readonly CompletedOption[];
  /** Words that may stand behind it. */
  readonly words: readonly string[];
}

export function shellScript(shell: Shell, commands: readonly CompletedCommand[]): string {
  switch (shell) {
    case 'bash':
      return bashScript(commands);
    case 'zsh':
      return zshScript(commands);
    case 'fish':
      return fishScript(commands);
  }
}

/** What may follow a command: its subcommands and further words. */
function wordsBehind(name: string, commands: readonly CompletedCommand[]): string[] {
  const verbs = commands.flatMap(({ name: other }) => {
    const [first, verb] = other.split(' ');
    return first === name && verb !== undefined ? [verb] : [];
  });
  return [...verbs, ...(commands.find((command) => command.name === name)?.words ?? [])];
}

const topLevel = (commands: readonly CompletedCommand[]): readonly CompletedCommand[] =>
  commands.filter(({ name }) => !name.includes(' '));

/** In single quotes, for every shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function bashScript(commands: readonly CompletedCommand[]): string {
  const top = topLevel(commands).map(({ name }) => name);
  const cases = commands.map(({ name, options }) => {
    const names = options.map((option) => `--${option.name}`);
    return `    ${quoted(name)}) options=${quoted([...names, '--help'].join(' '))}; words=${quoted(wordsBehind(name, commands).join(' '))};;`;
  });
  const values = commands.flatMap(({ name, options }) =>
    options
      .filter((option) => option.values.length > 0)
      .map(
        (option) => `    ${quoted(`${name} --${option.name}`)}) choices=${quoted(option.values.join(' '))};;`,
      ),
  );
  const plain = commands.flatMap(({ name, options }) =>
    options.filter((option) => !option.takesValue).map((option) => quoted(`${name} --${option.name}`)),
  );
  return `# bash completion of xinghe: source <(xinghe completion bash)
_xinghe() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" name='' options='' words='' choices='' flag='' i
  local commands=${quoted(top.join(' '))}
  COMPREPLY=()
  # Behind -- of launch stands another command.
  local start=1
  for ((i = 1; i < COMP_CWORD; i++)); do [[ "\${COMP_WORDS[i]}" == -- && "\${COMP_WORDS[1]}" == launch ]] && start=$((i + 1)); done
  if ((COMP_CWORD == start)); then
    mapfile -t COMPREPLY < <(compgen -W "$commands --help --version" -- "$current")
    return
  fi
  name="\${COMP_WORDS[start]}"
  case "$name \${COMP_WORDS[start+1]}" in
${commands
  .filter(({ name }) => name.includes(' '))
  .map(({ name }) => `    ${quoted(name)}) ((COMP_CWORD > start + 1)) && name=${quoted(name)};;`)
  .join('\n')}
  esac
  case "$name" in
${cases.join('\n')}
    *) return;;
  esac
  case "$name $before" in
${values.join('\n')}
${plain.length === 0 ? '' : `    ${plain.join('|')}) flag=1;;\n`}  esac
  if [[ -n "$choices" ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$current")
  elif [[ "$current" == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
  elif [[ -n "$words" && "$before" == "\${COMP_WORDS[start]}" ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}
complete -o filenames -F _xinghe xinghe bin/xinghe
`;
}

/** A colon would end the word in a list of zsh. */
function described(word: string, text: string): string {
  const [line = ''] = text.split('\n');
  return quoted(`${word.replaceAll(':', '\\:')}:${line}`);
}

function zshScript(commands: readonly CompletedCommand[]): string {
  const names = (list: readonly { readonly name: string; readonly summary: string }[]): string =>
    list.map(({ name, summary }) => described(name.split(' ').at(-1) ?? '', summary)).join(' ');
  const cases = commands.map(({ name, options, words }) => {
    const verbs = commands.filter((other) => other.name.startsWith(`${name} `));
    const choices = options
      .filter(({ values }) => values.length > 0)
      .map(
        (option) => `        --${option.name}) compadd -- ${option.values.map(quoted).join(' ')}; return;;`,
      );
    return `    ${quoted(name)})
      words_behind=(${names(verbs)} ${words.map((word) => described(word, '')).join(' ')})
      options=(${options.map((option) => described(`--${option.name}`, option.help)).join(' ')})
      case "$before" in
${choices.join('\n')}
        *) ;;
      esac;;`;
  });
  return `#compdef xinghe
# zsh completion of xinghe: xinghe completion zsh > "\${fpath[1]}/_xinghe"
_xinghe() {
  local before="\${words[CURRENT-1]}" name='' start=2 i
  local -a commands options words_behind
  commands=(${names(topLevel(commands))})
  for ((i = 2; i < CURRENT; i++)); do [[ "\${words[i]}" == -- && "\${words[2]}" == launch ]] && start=$((i + 1)); done
  if ((CURRENT == start)); then _describe command commands; return; fi
  name="\${words[start]}"
  case "$name \${words[start+1]}" in
${commands
  .filter(({ name }) => name.includes(' '))
  .map(({ name }) => `    ${quoted(name)}) ((CURRENT > start + 1)) && name=${quoted(name)};;`)
  .join('\n')}
  esac
  case "$name" in
${cases.join('\n')}
    *) return;;
  esac
  if [[ "\${words[CURRENT]}" == -* ]]; then _describe -o option options
  elif ((\${#words_behind} > 0 && CURRENT == start + 1)); then _describe subcommand words_behind
  else _files
  fi
}
[[ "\${funcstack[1]}" == _xinghe ]] && _xinghe "$@" || compdef _xinghe xinghe
`;
}

function fishScript(commands: readonly CompletedCommand[]): string {
  const lines = [
    '# fish completion of xinghe: xinghe completion fish > ~/.config/fish/completions/xinghe.fish',
  ];
  for (const { name, summary } of topLevel(commands))
    lines.push(`complete -c xinghe -f -n __fish_use_subcommand -a ${name} -d ${fishQuoted(summary)}`);
  for (const { name, options, words } of commands) {
    const [first = '', verb] = name.split(' ');
    const verbs = commands.filter((other) => other.name.startsWith(`${name} `));
    const seen =
      verb === undefined
        ? `__fish_seen_subcommand_from ${first}`
        : `__fish_seen_subcommand_from ${first}; and __fish_seen_subcommand_from ${verb}`;
    for (const other of verbs)
      lines.push(
        `complete -c xinghe -n '__fish_seen_subcommand_from ${first}' -a ${other.name.split(' ')[1]} -d ${fishQuoted(other.summary)}`,
      );
    for (const word of words) lines.push(`complete -c xinghe -f -n '${seen}' -a ${word}`);
    for (const option of options) {
      const values = option.values.length > 0 ? ` -f -a ${fishQuoted(option.values.join(' '))}` : '';
      lines.push(
        `complete -c xinghe -n '${seen}' -l ${option.name}${option.takesValue ? ' -r' : ''}${values} -d ${fishQuoted(option.help)}`,
      );
    }
  }
  return `${lines.join('\n')}\n`;
}

/** fish knows \\' within single quotes. */
function fishQuoted(text: string): string {
  const [line = ''] = text.split('\n');
  return `'${line.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
