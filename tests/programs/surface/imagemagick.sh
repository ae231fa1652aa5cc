# ImageMagick: a picture that it draws, blurred, turned, quantised and written as PNG.
# shellcheck shell=bash disable=SC2034,SC2154
needs=(/usr/bin/convert-im6.q16)

prepare() {
	/usr/bin/convert-im6.q16 -seed 7 -size "$(size 2400x1800 1200x900)" plasma:tan-blue -depth 8 picture.ppm
}

job() {
	MAGICK_TEMPORARY_PATH=$TMPDIR measured /usr/bin/convert-im6.q16 "$input/picture.ppm" -limit thread 2 \
		\( +clone -blur 0x6 -rotate 7 \) -background grey -layers merge +repage -colors 200 \
		-define png:exclude-chunks=date,time +set date:create +set date:modify -strip out.png
}
