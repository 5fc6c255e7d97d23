# shellcheck shell=bash
# What all steps share. Sourced, never run.

info() { echo "--> $*"; }

# The directories of an option, as TEMPLATE_FLAVOR_DIR says: words like +NAME:DIRECTORY. One that is
# not named there has one below the template's.
option_directories() {
    local word found=
    for word in $TEMPLATE_FLAVOR_DIR; do
        [[ $word == "+$1:"* ]] || continue
        echo "${word#*:}"
        found=yes
    done
    [[ -n $found ]] || echo "$TEMPLATE_CONTENT_DIR/$DIST_CODENAME+$1"
}

# step_files FILE SUFFIX: all files that belong to a step: of the flavor, of each option, and of
# the template itself. What is not there is passed over without a word. The builder runs them in
# the order opposite to that in which it looks.
step_files() {
    local name=${1##*/} option place
    local step=${name%.*}_$2 extension=${name##*.}
    {
        for option in $TEMPLATE_FLAVOR $TEMPLATE_OPTIONS; do
            option_directories "$option" | while IFS= read -r place; do
                echo "$place/$option/$step.$extension"
                echo "$place/$step.$extension"
                echo "$place/${step}_$option.$extension"
            done
            echo "$TEMPLATE_CONTENT_DIR/${step}_$option.$extension"
        done
        echo "$TEMPLATE_CONTENT_DIR/$step.$extension"
    } | awk '!seen[$0]++' | tac | while IFS= read -r place; do
        [[ ! -e $place ]] || echo "$place"
    done
}

# buildStep FILE SUFFIX: runs them.
buildStep() {
    local script
    info "buildStep ${1##*/} $2"
    for script in $(step_files "$1" "$2"); do
        info "running $script"
        "$script"
    done
}
