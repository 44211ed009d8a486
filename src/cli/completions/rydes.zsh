#compdef rydes
# Completions of rydes for zsh, which ask `rydes candidates`.

_rydes() {
    local program=${${(Q)words[1]}/#\~\//$HOME/} entry word about
    local -a before entries closed open
    before=("${(@Q)words[2,CURRENT-1]}")
    entries=("${(@f)$("$program" candidates -- "${before[@]}" "${(Q)PREFIX}" 2>/dev/null)}")
    for entry in "${entries[@]}"; do
        word=${entry%%$'\t'*}
        about=${entry#*$'\t'}
        if [[ $entry == $'\tfiles' ]]; then
            compset -P '--*='
            _files
        elif [[ $entry == $'\tfolders' ]]; then
            compset -P '--*='
            _files -/
        elif [[ $word == *[=:] ]]; then
            open+=("${word//:/\\:}:$about")
        elif [[ -n $word ]]; then
            closed+=("${word//:/\\:}:$about")
        fi
    done
    # -V keeps the order: the newest RFQ is the first.
    (($#closed)) && _describe -V value closed
    (($#open)) && _describe -V value open -S ''
    return 0
}

# The file may be loaded from $fpath or sourced.
if [[ $funcstack[1] == _rydes ]]; then
    _rydes "$@"
else
    compdef _rydes rydes
fi
