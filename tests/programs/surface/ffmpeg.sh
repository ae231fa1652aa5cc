# ffmpeg: a clip that it draws itself, without loss, and then encoded and scaled from that file by two threads.
# shellcheck shell=bash disable=SC2034,SC2154
needs=(ffmpeg)

prepare() {
	ffmpeg -nostdin -v error -f lavfi -i "testsrc2=size=$(size 1920x1080 1280x720):rate=25" -t "$(size 8 3)" \
		-c:v ffv1 -level 3 -slices 4 -flags +bitexact -fflags +bitexact clip.mkv
}

job() {
	measured ffmpeg -nostdin -v error -threads 2 -i "$input/clip.mkv" -vf scale=iw/2:-2,reverse -c:v mpeg4 -q:v 3 \
		-threads 2 -flags +bitexact -fflags +bitexact -sws_flags bitexact+accurate_rnd out.avi || return
	ffmpeg -nostdin -v error -i out.avi -f framemd5 - | digest
}
