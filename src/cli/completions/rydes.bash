# Completions of rydes for bash 3.2 or newer, which ask `rydes candidates`.

_rydes() {
    local rest=${COMP_LINE:0:COMP_POINT} program=${1/#\~\//$HOME/} word= blank piece entry cut at
    local -a words=()
    # Bash parts words at `=` and `:`; only what stands behind a blank is a word of its own.
    for ((at = 0; at <= COMP_CWORD; at++)); do
        blank=${rest%%[^[:space:]]*}
        rest=${rest#"$blank"}
        if [[ -n $blank ]]; then
            words+=("$word")
            word=
        fi
        piece=${COMP_WORDS[at]}
        ((at == COMP_CWORD)) && piece=$rest
        rest=${rest#"$piece"}
        word+=${piece//[\"\'\\]/}
    done
    words+=("$word")
    # An alias is followed where it is one word.
    [[ $program == */* ]] || program=${BASH_ALIASES[$program]:-$program}

    COMPREPLY=()
    # Bash replaces only its own last word.
    cut=${word%"$2"}
    while IFS= read -r entry; do
        piece=${entry%%$'\t'*}
        case $entry in
            $'\tfiles') compopt -o default 2>/dev/null ;;
            $'\tfolders') compopt -o dirnames 2>/dev/null ;;
            *) COMPREPLY+=("${piece#"$cut"}") ;;
        esac
    done < <("$program" candidates -- "${words[@]:1}" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=:] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}

# Without `nosort` the newest RFQ would not be the first.
complete -o nosort -F _rydes rydes 2>/dev/null || complete -F _rydes rydes
