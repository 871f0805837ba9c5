# What every target shares: language, warnings as errors, sanitizers; and the few functions that the rooms use.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

set(INGOT_SANITIZE "" CACHE STRING "sanitizers: address,undefined or thread")
option(INGOT_FUZZ "build the fuzz targets with libFuzzer (clang)" OFF)
option(INGOT_COVERAGE "instrument for gcov" OFF)
option(INGOT_TEST_HOOKS "crash-on-demand hooks for the poison tests; never in a release" OFF)

add_library(ingot_flags INTERFACE)
target_include_directories(ingot_flags INTERFACE "${CMAKE_SOURCE_DIR}")
target_compile_definitions(ingot_flags INTERFACE _GNU_SOURCE INGOT_VERSION="${PROJECT_VERSION}"
  $<$<BOOL:${INGOT_TEST_HOOKS}>:INGOT_TEST_HOOKS>)
# clang takes protobuf-c's INIT macros, which cast a constant empty string, for our own code; gcc does not.
target_compile_options(ingot_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes $<$<C_COMPILER_ID:GNU>:-Wcast-qual> -Wconversion
  -Wpointer-arith -Wundef -Wvla -Wformat=2 -Werror -fno-common -fstack-protector-strong)
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(ingot_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -ffunction-sections
    -fdata-sections)
  target_link_options(ingot_flags INTERFACE -Wl,--gc-sections -Wl,-z,relro,-z,now -Wl,--as-needed)
endif()
if(INGOT_SANITIZE)
  add_compile_options(-fsanitize=${INGOT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all -g)
  add_link_options(-fsanitize=${INGOT_SANITIZE})
  if(INGOT_SANITIZE STREQUAL "thread" AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
    # bgpd orders its retained memory with fences, for a successor in another process; it has no second thread.
    add_compile_options(-Wno-tsan)
  endif()
endif()
if(INGOT_COVERAGE)
  add_compile_options(--coverage -O0 -g)
  add_link_options(--coverage)
endif()
if(INGOT_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -g)
  add_link_options(-fsanitize=address,undefined)
endif()

find_package(PkgConfig REQUIRED)
pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c)
pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(MNL REQUIRED IMPORTED_TARGET libmnl)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(CAPNG REQUIRED IMPORTED_TARGET libcap-ng)
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
find_library(NNG_LIBRARY nng REQUIRED)

# ingot_core(NAME SOURCES... [DEPS target...]): a pure static library. It decides; it never touches the world, and a
# test checks its undefined symbols (tools/check-purity).
function(ingot_core name)
  cmake_parse_arguments(A "" "" "DEPS" ${ARGN})
  add_library(${name} STATIC ${A_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PUBLIC ingot_flags ${A_DEPS})
  if(BUILD_TESTING AND NOT INGOT_SANITIZE AND NOT INGOT_COVERAGE AND NOT INGOT_FUZZ)
    add_test(NAME purity:${name} COMMAND "${CMAKE_SOURCE_DIR}/tools/check-purity" $<TARGET_FILE:${name}>)
    set_tests_properties(purity:${name} PROPERTIES LABELS "check")
  endif()
endfunction()

# ingot_shell(NAME SOURCES... [DEPS target...]): a static library that may touch the world.
function(ingot_shell name)
  cmake_parse_arguments(A "" "" "DEPS" ${ARGN})
  add_library(${name} STATIC ${A_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PUBLIC ingot_flags ${A_DEPS})
endfunction()

# ingot_daemon(NAME main.c DEPS target...): a program that only the supervisor starts.
function(ingot_daemon name)
  cmake_parse_arguments(A "" "" "DEPS" ${ARGN})
  add_executable(${name} ${A_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ingot_flags ${A_DEPS})
  install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/ingot)
endfunction()

# ingot_unit_test(NAME SOURCES... DEPS target...): a cmocka program, run by ctest with label "unit".
function(ingot_unit_test name)
  cmake_parse_arguments(A "" "LABEL;TIMEOUT" "DEPS" ${ARGN})
  if(NOT BUILD_TESTING OR INGOT_FUZZ)
    return()
  endif()
  if(NOT A_LABEL)
    set(A_LABEL unit)
  endif()
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 120)
  endif()
  add_executable(${name} ${A_UNPARSED_ARGUMENTS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  target_link_libraries(${name} PRIVATE ingot_flags ${A_DEPS} PkgConfig::CMOCKA)
  add_test(NAME ${A_LABEL}:${name} COMMAND ${name})
  set_tests_properties(${A_LABEL}:${name} PROPERTIES LABELS "${A_LABEL}" TIMEOUT ${A_TIMEOUT}
    ENVIRONMENT "INGOT_SOURCE_DIR=${CMAKE_SOURCE_DIR}")
endfunction()

# ingot_fuzz(NAME fuzz_x.c CORPUS folder DEPS core...): with INGOT_FUZZ a libFuzzer program; otherwise a program that
# replays its corpus (tests/fuzz/corpus/<folder>), run by ctest with label "fuzz".
function(ingot_fuzz name)
  cmake_parse_arguments(A "" "CORPUS" "DEPS" ${ARGN})
  if(NOT BUILD_TESTING)
    return()
  endif()
  set(corpus "${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${A_CORPUS}")
  if(INGOT_FUZZ)
    add_executable(${name} ${A_UNPARSED_ARGUMENTS})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    add_test(NAME fuzz:${name} COMMAND ${name} -max_total_time=20 -timeout=5 -artifact_prefix=${CMAKE_BINARY_DIR}/
      ${CMAKE_BINARY_DIR}/corpus-${A_CORPUS} ${corpus})
    file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/corpus-${A_CORPUS}")
  else()
    add_executable(${name} ${A_UNPARSED_ARGUMENTS} "${CMAKE_SOURCE_DIR}/tests/fuzz/replay.c")
    add_test(NAME fuzz:${name} COMMAND ${name} ${corpus})
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  target_link_libraries(${name} PRIVATE ingot_flags ${A_DEPS})
  set_tests_properties(fuzz:${name} PROPERTIES LABELS "fuzz" TIMEOUT 120)
endfunction()
