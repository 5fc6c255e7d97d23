# shellcheck shell=bash
# What all steps share. Sourced, never run.

info() { echo "--> $*"; }

# The directory of an option, as TEMPLATE_FLAVOR_DIR says: words like +NAME:DIRECTORY.
option_directory() {
    local word
    for word in $TEMPLATE_FLAVOR_DIR; do
        [[ $word != "+$1:"* ]] || echo "${word#*:}"
    done
}

# step_files FILE SUFFIX: all files that belong to a step, of the template itself and of its
# flavor and options. The builder keeps them in an unsorted array, so nothing may depend on
# their order.
step_files() {
    local name=${1##*/} option directory
    local base=${name%.*} extension=${name##*.}
    local file=${base}_$2.$extension
    for option in $TEMPLATE_FLAVOR $TEMPLATE_OPTIONS; do
        directory=$(option_directory "$option")
        [[ ! -e $directory/$file ]] || echo "$directory/$file"
    done
    [[ ! -e $TEMPLATE_CONTENT_DIR/$file ]] || echo "$TEMPLATE_CONTENT_DIR/$file"
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
