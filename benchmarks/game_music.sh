#!/bin/sh
# Music of free games, out of Debian's packages, for `bench_same_track.py --more FOLDER`: a folder
# for each package, with its files of at least 300 KB. Nothing is installed. Some 2 GB are fetched.
#
#     sh benchmarks/game_music.sh ../game-music
set -eu
into=${1:?expected a folder to write to}
mkdir -p "$into"
into=$(cd "$into" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for package in \
    wesnoth-1.16-music supertux-data naev-data hyperrogue-music singularity-music \
    planetblupi-music-ogg unknown-horizons colobot-common-sounds \
    ardentryst asc-music boswars-data endless-sky-data extremetuxracer-data fillets-ng-data \
    freedroidrpg-data freeorion-data frozen-bubble-data hedgewars-data lincity-ng-data lugaru-data \
    megaglest-data openclonk-data redeclipse-data scorched3d-data starfighter-data \
    supertuxkart-data torcs-data warmux-data warzone2100-music widelands-data \
    berusky2-data btanks-data enigma-data flare-game freecol freedroid-data glob2-data gunroar-data \
    minetest-data mu-cade-data noiz2sa-data parsec47-data pinball-data rrootage-data titanion-data \
    torus-trooper-data tumiki-fighters-data tuxmath-data tuxtype-data xmoto-data
do
    (cd "$work" && apt-get download "$package") || continue
    dpkg-deb --extract "$work/$package"_*.deb "$work/$package"
    mkdir -p "$into/$package"
    find "$work/$package" -type f -size +300k \
        \( -name '*.ogg' -o -name '*.mp3' -o -name '*.opus' -o -name '*.flac' \) |
    while read -r file; do
        name=$(printf %s "${file#"$work/$package/"}" | tr / _ | tail -c 120)
        mv "$file" "$into/$package/$name"
    done
    rm -rf "${work:?}/$package"*
    rmdir "$into/$package" 2>/dev/null || true
done
# Four pieces of the eight collections are in other packages as well: with these a track that is left
# out would be heard.
rm -f "$into"/megaglest-data/*romans_music_romans.ogg "$into"/starfighter-data/*through_space.ogg \
    "$into"/supertuxkart-data/*beneath_the_rabbit_hole.ogg \
    "$into"/flare-game/*music_battle_theme.ogg
