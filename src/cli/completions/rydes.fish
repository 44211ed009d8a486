# Completions of rydes for fish, which ask `rydes candidates`.

function __rydes_complete
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    while string match --quiet --regex '^\w+=' -- $words[1]
        set --erase words[1]
    end
    set -l word (commandline --current-token --cut-at-cursor)
    set word (string replace --all --regex '["\'\\\\]' '' -- $word)
    set -l program (string replace --regex '^~/' "$HOME/" -- $words[1])
    set --erase words[1]
    for entry in ($program candidates -- $words "$word" 2>/dev/null)
        switch $entry
            case \tfiles \tfolders
                set -l option (string match --regex '^--[^=]*=' -- $word)
                set -l path (string replace --regex '^--[^=]*=' '' -- $word)
                if test $entry = \tfiles
                    __fish_complete_path "$path" | string replace --regex -- '^' "$option"
                else
                    __fish_complete_directories "$path" | string replace --regex -- '^' "$option"
                end
            case '*'
                printf '%s\n' $entry
        end
    end
end

complete --command rydes --no-files --keep-order --arguments '(__rydes_complete)'
