# Install and export. Two export sets, so that the targets without libtorch can be used on a machine that has none.
include(CMakePackageConfigHelpers)

set(transformers_config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/transformers)
set(transformers_layers base dtypes hub config checkpoint tokenizers mapping)
set(transformers_torch_layers kernels nn placement modeling models generation pretrained)

# Headers by layer; what is inside one (detail/, cpu/, jinja/) is not part of the interface.
function(transformers_install_headers)
  foreach(layer IN LISTS ARGN)
    install(DIRECTORY ${PROJECT_SOURCE_DIR}/transformers/${layer}
            DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/transformers
            FILES_MATCHING PATTERN "*.h" PATTERN "detail" EXCLUDE PATTERN "cpu" EXCLUDE PATTERN "jinja" EXCLUDE)
  endforeach()
endfunction()

function(transformers_install_libraries export)
  install(TARGETS ${ARGN} EXPORT ${export}
          RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT ${export} NAMESPACE transformers:: DESTINATION ${transformers_config_dir})
endfunction()

transformers_install_headers(${transformers_layers})
transformers_install_libraries(transformersFilesTargets transformers_files transformers_hub transformers_tokenizers)
if(TARGET transformers_transformers)
  transformers_install_headers(${transformers_torch_layers})
  transformers_install_libraries(transformersTorchTargets transformers_transformers)
  # Programs start without LD_LIBRARY_PATH. INSTALL_RPATH_USE_LINK_PATH would leave out a libtorch inside this tree.
  set_target_properties(transformers_transformers PROPERTIES INSTALL_RPATH "$ORIGIN;${TORCH_INSTALL_PREFIX}/lib")
endif()

if(TARGET transformers-cpp)
  set_target_properties(transformers-cpp PROPERTIES
                        INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
  install(TARGETS transformers-cpp RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
if(TARGET transformers_commands)  # opened by the program, linked by nobody
  set_target_properties(transformers_commands PROPERTIES INSTALL_RPATH "$ORIGIN;${TORCH_INSTALL_PREFIX}/lib")
  install(TARGETS transformers_commands LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/transformersConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/transformersConfig.cmake
                              INSTALL_DESTINATION ${transformers_config_dir})
# Until 1.0 a minor version may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/transformersConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/transformersConfig.cmake ${PROJECT_BINARY_DIR}/transformersConfigVersion.cmake
        DESTINATION ${transformers_config_dir})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
