# Completion of rollsh for bash 4.4 and later. Load it with: source <(rollsh completion bash)
_rollsh() {
    local line=${COMP_LINE:0:COMP_POINT} out directive word key='' match typed=${COMP_WORDS[COMP_CWORD]} before
    local -a words
    read -ra words <<<"$line"
    [[ $line == *[[:blank:]] ]] && words+=('')
    match=${words[-1]}
    # bash takes = and : for the begin of a new word, and replaces only what follows.
    [[ $typed == [=:]* || $match == '' ]] && typed=''
    typed=${typed:0:${#match}}
    before=${match%"$typed"}
    [[ $match == --*=* ]] && key=${match%%=*}= match=${match#*=}
    out=$("${words[0]/#\~/$HOME}" __complete "${words[@]:1}" 2>/dev/null) || return
    directive=${out##*:}
    COMPREPLY=()
    while IFS= read -r word; do
        word=${word%%$'\t'*}
        if [[ $word && $word == "$match"* ]]; then
            word=$key$word
            COMPREPLY+=("${word#"$before"}")
        fi
    done <<<"${out%:*}"
    if ((directive & 2)); then compopt -o nospace; fi
    if ((!(directive & 4))); then compopt -o default; fi
}
complete -F _rollsh rollsh
