# Intel's Multi-Buffer Crypto for IPsec library (Debian: libipsec-mb-dev) as the target IpsecMb::IpsecMb.
find_path(IpsecMb_INCLUDE_DIR intel-ipsec-mb.h)
find_library(IpsecMb_LIBRARY IPSec_MB)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(IpsecMb REQUIRED_VARS IpsecMb_LIBRARY IpsecMb_INCLUDE_DIR)
mark_as_advanced(IpsecMb_INCLUDE_DIR IpsecMb_LIBRARY)
if(IpsecMb_FOUND AND NOT TARGET IpsecMb::IpsecMb)
  add_library(IpsecMb::IpsecMb UNKNOWN IMPORTED)
  set_target_properties(IpsecMb::IpsecMb PROPERTIES IMPORTED_LOCATION "${IpsecMb_LIBRARY}"
                        INTERFACE_INCLUDE_DIRECTORIES "${IpsecMb_INCLUDE_DIR}")
endif()
