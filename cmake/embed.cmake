# Writes files as one C table, at build time: cmake -DOUT=x.c -DNAME=files -DHEADER=x.h -DFILES="a;b" -P embed.cmake. A row is the
# name of the file without folder and ending, and its bytes; the table ends with a NULL name.
set(arrays "")
set(rows "")
foreach(file ${FILES})
  get_filename_component(stem "${file}" NAME_WE)
  string(MAKE_C_IDENTIFIER "${stem}" id)
  file(READ "${file}" hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(APPEND arrays "static const unsigned char ${id}[] = {\n${bytes}};\n")
  string(APPEND rows "\t{ \"${stem}\", ${id}, sizeof ${id} },\n")
endforeach()
file(WRITE "${OUT}" "#include \"${HEADER}\"\n\n${arrays}\nconst struct embedded ${NAME}[] = {\n${rows}\t{ NULL, NULL, 0 },\n};\n")
